"""Several large images at once: what all clients get together, and how fairly, and the memory that it takes."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

from bench.body import MIB, Body
from bench.http.large import delete, upload
from bench.http.servers import Peer
from bench.measure import SideFailed


@dataclass(frozen=True)
class Many:
    """MiB a second of all together, CPU seconds a GiB, bytes of memory beyond idle in the largest process, and how long
    the last client took beside the first that was done."""

    rate: float
    cpu: float
    peak: int
    unfairness: float
    refused: list[str]

    def __str__(self) -> str:
        refused = f"  {len(self.refused)} failed: {self.refused[0]}" if self.refused else ""
        return (
            f"{self.rate:5.0f} MiB/s  {self.cpu:5.2f} CPU s/GiB  {self.peak / MIB:5.0f} MiB of memory  "
            f"last / first {self.unfairness:.2f}{refused}"
        )


def measure(server: Peer, *, size: int, clients: int) -> Many:
    """One image of `size` bytes by each client."""
    body = Body(size)
    targets = [server.target(body) for _ in range(clients)]
    took: list[float] = []
    refused: list[str] = []
    processes = server.processes
    os.sync()
    idle = processes.memory("VmRSS")
    processes.forget_peak()
    before, started = sum(processes.cpu()), time.perf_counter()

    def client(number: int) -> None:
        try:
            upload(server, targets[number], body)
        except (OSError, SideFailed) as failure:
            refused.append(str(failure))
        else:
            took.append(time.perf_counter() - started)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, used = time.perf_counter() - started, sum(processes.cpu()) - before
    peak = processes.memory("VmHWM") - idle
    for target in targets:
        delete(server, target)
    done = len(took) * size / MIB
    return Many(done / seconds, 1024 * used / (done or 1), peak, max(took, default=0) / min(took, default=1), refused)
