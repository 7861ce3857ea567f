"""Exact as a whole: several processes, many uploads at once in each, one limit, stores that fail at random.

In each run what the stores hold never exceeds the limit by a byte, at the end the ledger is what the stores hold, and
what remains is smaller than the smallest image that is still refused. "Still": while uploads fail and give back what
they held, others are refused that would fit afterwards. So when all is quiet whoever was refused asks once more, as a
client would. The long form has eight processes with twenty uploads each.
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

import pytest

from imgstore import errors
from imgstore.sql import Charge
from tests.ledger.conftest import assert_sums
from tests.ledger.worker import STORES, House, Image
from tests.support.rounds import rounds


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
    pytest.param(Scale(processes=8, uploads=20, runs=rounds(1)), id="long", marks=pytest.mark.long),
)


class Workers:
    """The processes. They stay for all runs."""

    def __init__(self, url: str, scale: Scale) -> None:
        command = [sys.executable, "-m", "tests.ledger.worker", url, str(scale.limit), str(scale.uploads)]
        pipe = subprocess.PIPE
        self._processes = [
            subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(scale.processes)
        ]

    def run(self, *, seed: int, **order: object) -> Iterator[object]:
        """What became of each upload of a run."""
        for number, process in enumerate(self._processes):
            assert process.stdin is not None
            own = seed * len(self._processes) + number
            process.stdin.write(json.dumps({**order, "seed": own}, default=str) + "\n")
            process.stdin.flush()
        for process in self._processes:
            assert process.stdout is not None
            yield from json.loads(process.stdout.readline())

    def close(self) -> None:
        """Ends them."""
        for process in self._processes:
            process.kill()
            process.communicate()


class Run:
    """One run: its stores' directory, its project."""

    def __init__(self, directory: Path, project: str, scale: Scale) -> None:
        self.directory = directory
        self.project = project
        self.scale = scale
        for store in STORES:
            (directory / store).mkdir(parents=True)

    def stored_bytes(self) -> int:
        """Bytes of all objects."""
        total = 0
        for path in (path for store in STORES for path in (self.directory / store).iterdir()):
            with contextlib.suppress(FileNotFoundError):
                total += 0 if path.name.startswith(".") else path.stat().st_size
        return total


class Watcher(threading.Thread):
    """Looks at stores and account all the time while a run is under way."""

    def __init__(self, house: House, run: Run) -> None:
        super().__init__(name="watcher")
        self._house = house
        self._run = run
        self._stopped = threading.Event()
        self.seen: list[tuple[int, int]] = []

    def run(self) -> None:
        """See Thread."""
        while not self._stopped.wait(0.005):
            self.seen.append((self._run.stored_bytes(), self._house.ledger.account(self._run.project).taken))

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self.join()


@pytest.mark.parametrize("scale", SCALES)
def test_the_limit_is_met_and_never_passed_whatever_fails(tables: str, tmp_path: Path, scale: Scale) -> None:
    refused_first = 0
    with contextlib.closing(Workers(tables, scale)) as workers:
        for number in range(scale.runs):
            run = Run(tmp_path / str(number), f"project-{number}", scale)
            with contextlib.closing(House(tables, scale.limit)) as house:
                house.turn(run.directory, None)
                refused = watched(workers, house, run, number)
                refused_first += len(refused)
                assert_met(house, run, refused)
    assert refused_first > scale.runs, "the limit was hardly reached: the test proves nothing"


def watched(workers: Workers, house: House, run: Run, number: int) -> list[Image]:
    """The images that were refused for the quota. In every fourth run no store fails."""
    with Watcher(house, run) as watcher:
        order = {"directory": run.directory, "project": run.project, "failing": number % 4 != 0}
        found = list(workers.run(seed=number + 1, **order))
    assert [each for each in found if isinstance(each, str)] == [], "what failed otherwise"
    assert len(watcher.seen) > 1
    assert max(most for seen in watcher.seen for most in seen) <= run.scale.limit
    return [Image(*each) for each in found if isinstance(each, list)]


def assert_met(house: House, run: Run, refused: list[Image]) -> None:
    """When all is quiet: the ledger is what the stores hold, and there is not enough left for who is still refused."""
    still_refused = [image for image in sorted(refused, key=lambda image: image.size) if not is_stored(house, image)]
    held, scale = run.stored_bytes(), run.scale
    assert held <= scale.limit
    assert house.ledger.account(run.project) == Charge(used=held, images=scale.processes * scale.uploads)
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
