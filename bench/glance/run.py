"""One image through a running Glance: uploaded, downloaded twice, deleted; each step on the clock.

CPU seconds are those of Glance's processes, the client's are not in them. Memory is what the largest of them took
beyond idle. The client is cheap: it sends what is in memory, and looks at no byte that it gets.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from bench.body import MIB, Body
from bench.machine import CpuTime
from bench.measure import Measurement, SideFailed
from bench.processes import Processes
from tests.support.glance import GlanceServer

STOCK, OURS = "file", "imgstore_file"
UPLOAD, FIRST, SECOND = STEPS = ("upload", "download", "download-again")


def backends(root: Path) -> dict[str, dict[str, object]]:
    """Both stores in directories below `root`, with their defaults; each is named by its type."""
    (root / STOCK).mkdir()
    return {
        f"{STOCK}:{STOCK}": {"filesystem_store_datadir": root / STOCK},
        f"{OURS}:{OURS}": {"datadir": root / OURS, "places_dir": root / "places"},
    }


def measure(glance: GlanceServer, store: str, *, size: int, chunked: bool) -> list[Measurement]:
    """The steps of one image in `store`, in this order. `chunked`: without a length, as Glance's own client sends it.
    Raises SideFailed."""
    client, image = glance.client, glance.client.create()
    body, length = Body(size), {} if chunked else {"Content-Length": str(size)}
    processes = Processes(frozenset([glance.pid]))
    os.sync()  # no side pays for the write-back of another

    def upload() -> None:
        answer = client.upload(image, iter(body), store=store, headers=length)
        if answer.status != 204:
            raise SideFailed(f"{store}: {answer}")

    def download() -> None:
        buffer, found = bytearray(MIB), 0
        with client.open_download(image) as response:
            while count := response.readinto(buffer):
                found += count
        if found != size:
            raise SideFailed(f"{store}: {found} of {size} bytes came.")

    runs = {UPLOAD: upload, FIRST: download, SECOND: download}
    found = [_timed(f"{step}:{store}", size, run, processes) for step, run in runs.items()]
    shown = client.show(image)
    found[0].digests.update(md5=shown["checksum"], sha512=shown["os_hash_value"])
    client.delete(image)
    return found


def _timed(name: str, size: int, run: Callable[[], None], processes: Processes) -> Measurement:
    idle = processes.memory("VmRSS")
    processes.forget_peak()
    before, machine, started = processes.cpu(), CpuTime.now(), time.perf_counter()
    own = time.process_time()
    run()
    seconds, own = time.perf_counter() - started, time.process_time() - own
    user, kernel = (after - sooner for after, sooner in zip(processes.cpu(), before, strict=True))
    others = CpuTime.now().busy - machine.busy - user - kernel - own
    peak = processes.memory("VmHWM") - idle
    return Measurement(name, size, seconds, user + kernel, kernel, peak, max(0.0, others / seconds), {})
