"""Exact as a whole: several processes, many uploads at once in each, one limit, stores that fail at random.

In each run what the stores hold never exceeds the limit by a byte, at the end the ledger is what the stores hold, and
what remains is smaller than the smallest image that is still refused. "Still": while uploads fail and give back what
they held, others are refused that would fit afterwards. So when all is quiet whoever was refused asks once more, as a
client would. The long form has eight processes with forty uploads each.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.sql import Charge
from tests.ledger.conftest import assert_sums
from tests.ledger.worker import STORES, House, Image


@dataclass(frozen=True)
class Scale:
    """How many processes, with how many uploads each, how often; each upload has 2 KiB of the limit, and needs 8."""

    processes: int
    uploads: int
    runs: int

    @property
    def limit(self) -> int:
        """Bytes."""
        return self.processes * self.uploads * 2048


SCALES = (
    pytest.param(Scale(processes=2, uploads=10, runs=2), id="short"),
    pytest.param(Scale(processes=8, uploads=40, runs=3), id="long", marks=pytest.mark.long),
)


class Workers:
    """The processes. They stay for all runs."""

    def __init__(self, url: str, scale: Scale) -> None:
        command = [sys.executable, "-m", "tests.ledger.worker", url, str(scale.limit), str(scale.uploads)]
        pipe = subprocess.PIPE
        self._processes = [
            subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(scale.processes)
        ]

    def run(self, *, seed: int, **order: object) -> list[dict[str, list[Any]]]:
        """What each says at the end of a run."""
        for number, process in enumerate(self._processes):
            assert process.stdin is not None
            own = seed * len(self._processes) + number
            process.stdin.write(json.dumps({**order, "seed": own}, default=str) + "\n")
            process.stdin.flush()
        return [json.loads(process.stdout.readline()) for process in self._processes if process.stdout is not None]

    def close(self) -> None:
        """Ends them."""
        for process in self._processes:
            process.kill()
            process.communicate()


class Watcher(threading.Thread):
    """Looks at stores and account all the time while a run is under way."""

    def __init__(self, house: House, directory: Path, project: str) -> None:
        super().__init__(name="watcher")
        self._house = house
        self._directory = directory
        self._project = project
        self._stopped = threading.Event()
        self.seen: list[tuple[int, int]] = []

    def run(self) -> None:
        """See Thread."""
        while not self._stopped.wait(0.005):
            self.seen.append((stored_bytes(self._directory), self._house.ledger.account(self._project).taken))

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self.join()


def stored_bytes(directory: Path) -> int:
    """Bytes of all objects of a run."""
    total = 0
    for path in (path for store in STORES for path in (directory / store).iterdir()):
        with contextlib.suppress(FileNotFoundError):
            total += 0 if path.name.startswith(".") else path.stat().st_size
    return total


@pytest.mark.parametrize("scale", SCALES)
def test_law_4_the_limit_is_met_and_never_passed_whatever_fails(tables: str, tmp_path: Path, scale: Scale) -> None:
    refused_first = 0
    with contextlib.closing(Workers(tables, scale)) as workers:
        for run in range(scale.runs):
            with house_of_a_run(tables, tmp_path / f"run-{run}", scale) as house:
                refused = watched_run(workers, house, tmp_path, run, scale)
                refused_first += len(refused)
                assert_met(house, tmp_path / f"run-{run}", run, refused, scale)
    assert refused_first > scale.runs, "the limit was hardly reached: the test proves nothing"


@contextlib.contextmanager
def house_of_a_run(url: str, directory: Path, scale: Scale) -> Iterator[House]:
    for store in STORES:
        (directory / store).mkdir(parents=True)
    with contextlib.closing(House(url, directory, scale.limit, None)) as house:
        yield house


def watched_run(workers: Workers, house: House, root: Path, run: int, scale: Scale) -> list[Image]:
    """The images that were refused for the quota. In every fourth run no store fails."""
    directory, project = root / f"run-{run}", f"project-{run}"
    with Watcher(house, directory, project) as watcher:
        results = workers.run(directory=directory, project=project, failing=run % 4 != 0, seed=run + 1)
    assert [text for result in results for text in result["failed"]] == []
    assert len(watcher.seen) > 1
    assert max(most for seen in watcher.seen for most in seen) <= scale.limit
    return [Image(*image) for result in results for image in result["refused"]]


def assert_met(house: House, directory: Path, run: int, refused: list[Image], scale: Scale) -> None:
    """When all is quiet: the ledger is what the stores hold, and there is not enough left for who is still refused."""
    still_refused = [image for image in sorted(refused, key=lambda image: image.size) if not is_stored(house, image)]
    held = stored_bytes(directory)
    assert held <= scale.limit
    assert house.ledger.account(f"project-{run}") == Charge(used=held, images=scale.processes * scale.uploads)
    assert_sums(house.database)
    if still_refused:
        assert scale.limit - held < still_refused[0].size


def is_stored(house: House, image: Image) -> bool:
    """Tries it once more."""
    try:
        house.upload(image, STORES[0], known=image.size % 2 == 0)
    except errors.QuotaExceeded:
        return False
    return True
