"""One image: uploaded, downloaded twice, deleted where there is a way; each step on the clock.

CPU seconds are those of the server's processes, the client's are not in them. Memory is what the largest of them took
beyond idle. The client is cheap: it sends what is in memory, and looks at no byte that it gets.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable

from bench.body import MIB, Body
from bench.http.servers import SECONDS, Peer, Target
from bench.machine import CpuTime
from bench.measure import Measurement, SideFailed

UPLOAD, FIRST, SECOND = STEPS = ("upload", "download", "download-again")


def measure(side: str, server: Peer, *, size: int) -> list[Measurement]:
    """The steps of one image, in this order. Raises SideFailed."""
    body = Body(size)
    target = server.target(body)
    os.sync()  # no side pays for the write-back of another
    runs = {
        UPLOAD: lambda: upload(server, target, body),
        FIRST: lambda: _download(server, target, size),
        SECOND: lambda: _download(server, target, size),
    }
    found = [_timed(f"{step}:{side}", size, run, server) for step, run in runs.items()]
    found[0].digests.update(server.digests(target))
    delete(server, target)
    return found


def upload(server: Peer, target: Target, body: Body) -> None:
    """One PUT. Raises SideFailed."""
    connection = http.client.HTTPConnection(*server.address, timeout=SECONDS)
    connection.request("PUT", target.put, iter(body), {**target.headers, "Content-Length": str(body.size)})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    if answer.status not in (201, 204):
        raise SideFailed(f"PUT {target.put}: {answer.status} {said!r}")


def _download(server: Peer, target: Target, size: int) -> None:
    buffer, found = bytearray(MIB), 0
    connection = http.client.HTTPConnection(*server.address, timeout=SECONDS)
    connection.request("GET", target.get, headers=dict(target.headers))
    response = connection.getresponse()
    while count := response.readinto(buffer):
        found += count
    connection.close()
    if found != size:
        raise SideFailed(f"GET {target.get}: {found} of {size} bytes came.")


def delete(server: Peer, target: Target) -> None:
    """One DELETE; whether the server has it is not looked at."""
    connection = http.client.HTTPConnection(*server.address, timeout=SECONDS)
    connection.request("DELETE", target.get.removesuffix("/file"), headers=dict(target.headers))
    connection.getresponse().read()
    connection.close()


def _timed(name: str, size: int, run: Callable[[], None], server: Peer) -> Measurement:
    processes = server.processes
    idle = processes.memory("VmRSS")
    processes.forget_peak()
    before, machine, started, own = processes.cpu(), CpuTime.now(), time.perf_counter(), time.process_time()
    run()
    seconds, own = time.perf_counter() - started, time.process_time() - own
    user, kernel = (after - sooner for after, sooner in zip(processes.cpu(), before, strict=True))
    others = CpuTime.now().busy - machine.busy - user - kernel - own
    peak = processes.memory("VmHWM") - idle
    return Measurement(name, size, seconds, user + kernel, kernel, peak, max(0.0, others / seconds), {})
