"""One case: a service with a store that hangs, with or without slow clients.

Halves of the same length take turns: everything is well, then it is not. Both have the same processes: the slow clients
of the first are as many, and connect to a socket where nobody answers. All files are in memory, since the disk of a
machine is the part of it whose speed changes most.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench.isolation.hung import KINDS, Hanging
from bench.isolation.work import MIB, work
from bench.machine import shared_memory
from tests.support.client import OCTETS, Client, first_line
from tests.support.service import Options, ServiceProcess
from tests.support.waiting import until

WELL, HUNG = "well", "hung"
MAX_WAIT = 2
GRACE = 5
END = GRACE
"""Seconds in which the process ends where a store hangs (doc/operation.md)."""
SLOTS, FILLERS, ASKED = 8, 20, 3
"""The slots of the store that hangs; uploads for it, which are more than these and those that wait (4)."""
LARGE = 32 * MIB
"""More than the kernel keeps for a client that does not read."""
ROOM = 1024 * MIB
WARM_UP = 1.0


@dataclass(frozen=True)
class Half:
    """Through the store that works: MiB a second, CPU seconds of the service for each GiB, and cores that others than
    the benchmark used meanwhile."""

    rate: float
    cpu: float
    others: float


@dataclass
class Found:
    """What was measured: the halves, those where all is `well` before each round and after the last; times in seconds,
    those of `refused` from the last byte of a request's head."""

    well: list[Half] = field(default_factory=list)
    hung: list[Half] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    metrics: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    ended: float = 0.0

    def ratios(self, of: Callable[[Half], float]) -> list[float]:
        """Of each hung half to the two beside it: a machine whose speed drifts is the same for both."""
        around = zip(self.well, self.well[1:], strict=False)
        return [2 * of(hung) / (of(one) + of(other)) for (one, other), hung in zip(around, self.hung, strict=True)]

    @property
    def others(self) -> float:
        """Cores that others used, in the middle of all halves."""
        return statistics.median(half.others for half in [*self.well, *self.hung])


@dataclass(frozen=True)
class World:
    """The service, the store that hangs at will, and how many `clients` are slow. They want the image `large` there."""

    service: ServiceProcess
    hanging: Hanging
    clients: int
    large: str

    @property
    def client(self) -> Client:
        """Of the service."""
        return self.service.client

    @contextlib.contextmanager
    def slow(self, address: tuple[str, int]) -> Iterator[list[int]]:
        """Inside, there are slow clients; the pids of their process."""
        if not self.clients:
            yield []
            return
        order = {"url": self.client.url, "store": HUNG, "large": self.large, "count": self.clients}
        with work("slow", address=address, **order) as clients:
            yield [clients.pid]


def measure(kind: str, *, clients: int, rounds: int, seconds: float) -> Found:
    """Runs it. `clients`: slow ones at a time; `seconds` of each half of a round."""
    found = Found()
    with contextlib.ExitStack() as stack:
        world = _world(stack, kind, clients)
        _half(world, WARM_UP)
        found.well.append(_well(world, seconds))
        for _ in range(rounds):
            with _trouble(world) as beside:
                _measure_hung(world, found, seconds, beside)
            found.well.append(_well(world, seconds))
        with _trouble(world):
            began = time.monotonic()
            world.service.terminate()
            found.ended = time.monotonic() - began
    return found


def _world(stack: contextlib.ExitStack, kind: str, clients: int) -> World:
    hanging = stack.enter_context(KINDS[kind]())
    place = shared_memory(ROOM)
    root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=place)))
    service = stack.enter_context(ServiceProcess(root, options=_options(hanging, root)))
    return World(service, hanging, clients, _large(service.client))


def _well(world: World, seconds: float) -> Half:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=world.clients + 1) as nobody,
        world.slow(nobody.getsockname()) as beside,
    ):
        return _half(world, seconds, beside)[0]


def _measure_hung(world: World, found: Found, seconds: float, beside: Sequence[int]) -> None:
    with ThreadPoolExecutor(ASKED) as pool:
        found.refused.extend(pool.map(_refused, [world.client] * ASKED))
    half, probed = _half(world, seconds, beside)
    found.hung.append(half)
    found.health.extend(probed[::2])
    found.metrics.extend(probed[1::2])


def _options(hanging: Hanging, root: Path) -> Options:
    stores = {"enabled_stores": f"{WELL}:filesystem, {HUNG}:{hanging.driver}", "default_store": WELL}
    (root / WELL).mkdir()
    return {
        "imgstore": stores, "service": {"grace_period": GRACE, "health_interval": 5, "health_timeout": 2},
        WELL: {"datadir": root / WELL}, HUNG: {**hanging.options, "max_wait": MAX_WAIT},
        "fast": {"datadir": None, "description": None}, "slow": {"datadir": None, "description": None},
    }  # fmt: skip


def _large(client: Client) -> str:
    image_id = client.create()
    answer = client.upload(image_id, bytes(LARGE), store=HUNG)
    if answer.status != 204:
        raise RuntimeError(f"the store that is to hang does not work: {answer}")
    return image_id


@contextlib.contextmanager
def _trouble(world: World) -> Iterator[list[int]]:
    """Inside, the store hangs, with as many uploads as it takes, and there are slow clients, whose pids are given."""
    client = world.client
    fillers = [threading.Thread(target=_fill, args=(client, client.create())) for _ in range(FILLERS)]
    with contextlib.ExitStack() as stack:
        beside = stack.enter_context(world.slow(client.address))
        for thread in fillers:
            stack.callback(thread.join)
        stack.enter_context(world.hanging.frozen())
        for thread in fillers:
            thread.start()
        until(lambda: sum(thread.is_alive() for thread in fillers) <= SLOTS)
        yield beside


def _fill(client: Client, image_id: str) -> None:
    with contextlib.suppress(OSError):
        client.upload(image_id, bytes(1000), store=HUNG)


def _half(world: World, seconds: float, beside: Sequence[int] = ()) -> tuple[Half, list[float]]:
    """And how long health and metrics took in turns."""
    url, service = world.client.url, world.service.process.pid
    with work("probe", url=url) as probe:
        pids = [*beside, probe.pid, os.getpid(), world.hanging.pid]
        with work("load", url=url, store=WELL, service=service, beside=pids) as load:
            time.sleep(seconds)
    told = load.told
    if told["failed"]:
        raise RuntimeError(f"the other store fails: {told['failed'][:3]}")
    gibibytes = told["moved"] / 1024
    return Half(told["moved"] / told["seconds"], told["cpu"] / gibibytes, told["others"]), probe.told["seconds"]


def _refused(client: Client) -> float:
    headers = {**OCTETS, "X-Image-Meta-Store": HUNG, "Expect": "100-continue", "Content-Length": "1000"}
    image_id = client.create()
    with client.connect("PUT", f"/v2/images/{image_id}/file", headers) as connection:
        began = time.monotonic()
        line = first_line(connection)
        if not line.endswith(b" 503"):
            raise RuntimeError(f"the store that hangs answers {line!r}")
        return time.monotonic() - began
