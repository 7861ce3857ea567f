"""One case: a service with a store that hangs, with or without slow clients."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.isolation.hung import KINDS, Hanging
from bench.isolation.work import MIB, work
from tests.support.client import Client
from tests.support.service import Options, ServiceProcess

WELL, HUNG = "well", "hung"
MAX_WAIT = 2
GRACE = 5
END = GRACE
"""Seconds in which the process ends where a store hangs (doc/operation.md)."""
SETTLE = 2.0
"""Seconds until all slots of the store that hangs are taken."""
FILLERS, ASKED = 20, 3
LARGE = 32 * MIB
"""More than the kernel keeps for a client that does not read."""


@dataclass
class Found:
    """What was measured. Rates in MiB/s, those of `well` before each round and after the last; times in seconds."""

    well: list[float] = field(default_factory=list)
    hung: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    metrics: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    ended: float = 0.0

    @property
    def ratio(self) -> float:
        """Of each rate to those before and after it, in the middle of the rounds: the machine is shared, and drifts."""
        around = zip(self.well, self.well[1:], strict=False)
        return statistics.median(2 * hung / sum(well) for well, hung in zip(around, self.hung, strict=True))


def measure(kind: str, *, clients: int, rounds: int, seconds: float) -> Found:
    """Runs it. `clients`: slow ones at a time; `seconds` of each half of a round."""
    found = Found()
    with contextlib.ExitStack() as stack:
        hanging = stack.enter_context(KINDS[kind]())
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imgstore-bench-")))
        service = stack.enter_context(ServiceProcess(root, options=_options(hanging, root)))
        trouble = partial(_trouble, service.client, hanging, clients, _large(service.client))
        found.well.append(_rates(service.client, seconds)[0])
        for _ in range(rounds):
            with trouble():
                _measure_hung(service.client, found, seconds)
            found.well.append(_rates(service.client, seconds)[0])
        with trouble():
            began = time.monotonic()
            service.terminate()
            found.ended = time.monotonic() - began
    return found


def _measure_hung(client: Client, found: Found, seconds: float) -> None:
    found.refused.extend(_refused(client) for _ in range(ASKED))
    rate, probed = _rates(client, seconds)
    found.hung.append(rate)
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
def _trouble(client: Client, hanging: Hanging, clients: int, large: str) -> Iterator[None]:
    """Inside, the store hangs, with as many uploads as it takes, and there are slow clients."""
    with contextlib.ExitStack() as stack:
        fillers = [threading.Thread(target=_fill, args=(client, client.create())) for _ in range(FILLERS)]
        if clients:
            stack.enter_context(work("slow", url=client.url, store=HUNG, large=large, count=clients))
            time.sleep(SETTLE)
        for thread in fillers:
            stack.callback(thread.join)
        stack.enter_context(hanging.frozen())
        for thread in fillers:
            thread.start()
        time.sleep(SETTLE + MAX_WAIT)
        yield


def _fill(client: Client, image_id: str) -> None:
    with contextlib.suppress(OSError):
        client.upload(image_id, bytes(1000), store=HUNG)


def _rates(client: Client, seconds: float) -> tuple[float, list[float]]:
    """MiB a second through the other store, and how long health and metrics took in turns."""
    with work("probe", url=client.url) as probe, work("load", url=client.url, store=WELL) as load:
        time.sleep(seconds)
    if load.told["failed"]:
        raise RuntimeError(f"the other store fails: {load.told['failed'][:3]}")
    return load.told["rate"], probe.told["seconds"]


def _refused(client: Client) -> float:
    image_id, began = client.create(), time.monotonic()
    answer = client.upload(image_id, bytes(1000), store=HUNG)
    if answer.status != 503:
        raise RuntimeError(f"the store that hangs answers {answer.status}")
    return time.monotonic() - began
