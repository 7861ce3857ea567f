"""What runs beside the service, in processes of their own: `python -m bench.isolation.work KIND ORDER`.

`load` moves images through a store, `probe` asks for health and metrics, `slow` are slow clients. ORDER is JSON. Each
prints an empty line when it is under way, ends when its standard input does, and prints JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.machine import CpuTime, cpu_of
from tests.support.client import Client
from tests.support.slow_clients import PAUSE, SlowClients, dripping_body, dripping_head, not_reading

ROOT = Path(__file__).parent.parent.parent
MIB = 1 << 20
SIZE = 8 * MIB
WORKERS = 2
PROBES = ("/healthcheck", "/metrics")
PROBE_PAUSE = 0.02


class Work:
    """One such process; `told` after its end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.told: Any = None


@contextlib.contextmanager
def work(kind: str, **order: object) -> Iterator[Work]:
    """Inside, it runs."""
    command = [sys.executable, "-m", "bench.isolation.work", kind, json.dumps(order)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        found = Work(child.pid)
        child.stdout.readline()
        try:
            yield found
        finally:
            told, _ = child.communicate()
    found.told = json.loads(told)


def _goes_on() -> bool:
    return not select.select([sys.stdin], [], [], 0)[0]


def _under_way() -> None:
    print(flush=True)


class Used:
    """CPU seconds since this was made: of the process `service`, and cores of all but it, `beside` and this one."""

    def __init__(self, service: int, beside: Sequence[int]) -> None:
        self._service, self._beside = service, [*beside, os.getpid()]
        self._before, self._began = self._now(), time.monotonic()

    def told(self) -> dict[str, float]:
        """Both, and the seconds on the clock."""
        seconds = time.monotonic() - self._began
        busy, service, beside = (now - before for now, before in zip(self._now(), self._before, strict=True))
        return {"seconds": seconds, "cpu": service, "others": max(0.0, busy - service - beside) / seconds}

    def _now(self) -> tuple[float, float, float]:
        return CpuTime.now().busy, cpu_of(self._service), sum(cpu_of(pid) for pid in self._beside)


def load(url: str, store: str, service: int, beside: Sequence[int]) -> dict[str, object]:
    """Uploads, downloads and deletes images; the MiB that were moved, what failed, and what `Used` says."""
    moved, body, used = [0], bytes(SIZE), Used(service, beside)
    failed: list[object] = []

    def go() -> None:
        client = Client(url)
        while _goes_on():
            try:
                image_id = client.create()
                status = client.upload(image_id, body, store=store).status
                moved[0] += SIZE * (status == 204)
                moved[0] += len(client.download(image_id).body) if status == 204 else 0
                client.delete(image_id)
                failed.extend([status] * (status != 204))
            except OSError as error:
                failed.append(str(error))

    threads = [threading.Thread(target=go) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    _under_way()
    for thread in threads:
        thread.join()
    return {"moved": moved[0] / MIB, "failed": failed, **used.told()}


def probe(url: str) -> dict[str, object]:
    """Seconds that each answer took."""
    client, seconds = Client(url), []
    _under_way()
    while _goes_on():
        for path in PROBES:
            began = time.monotonic()
            client.get(path)
            seconds.append(time.monotonic() - began)
            time.sleep(PROBE_PAUSE)
    return {"seconds": seconds}


def slow(url: str, store: str, large: str, count: int, address: tuple[str, int]) -> dict[str, object]:
    """A third of `count` each: heads, bodies, and clients that do not read the image `large`. They connect to
    `address`, which is the service's or one where nobody answers."""
    client = Client(url)
    third = count // 3
    heads = [dripping_head() for _ in range(count - 2 * third)]
    bodies = [dripping_body(client.create(), store=store) for _ in range(third)]
    with SlowClients((address[0], address[1]), [*heads, *bodies, *[not_reading(large)] * third]) as clients:
        time.sleep(2 * PAUSE)  # they begin after one
        _under_way()
        sys.stdin.read()
        return {"connected": clients.connected}


KINDS: dict[str, Callable[..., dict[str, object]]] = {"load": load, "probe": probe, "slow": slow}


def main(kind: str, order: str) -> None:
    """Runs one."""
    print(json.dumps(KINDS[kind](**json.loads(order))))


if __name__ == "__main__":
    main(*sys.argv[1:])
