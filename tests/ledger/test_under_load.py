"""Law 4 as a whole: eight processes, forty uploads at once in each, one limit, stores that fail at random.

In each run (IMGSTORE_LEDGER_RUNS of them on each kind of database, 3 unless told): what the stores hold never exceeds
the limit by a byte, at the end the ledger is what the stores hold, and the room that remains is smaller than the
smallest image that is still refused.
"Still": while uploads fail, or are refused in their middle, and give their room back, others are refused that would fit
afterwards; so when all is quiet whoever was refused asks once more, as a client would.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.sql import PARTS, Charge, Database, upgrade
from tests.ledger.conftest import assert_sums
from tests.ledger.worker import STORES, UPLOADS, House, Image

PROCESSES = 8
RUNS = int(os.environ.get("IMGSTORE_LEDGER_RUNS", "3"))
LIMIT = 640 * 1024


class Workers:
    """The processes. They stay for all runs."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.ledger.worker", url, str(LIMIT)]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]

    def begin(self, *, seed: int, **order: object) -> None:
        """Begins a run in each."""
        for number, process in enumerate(self._processes):
            assert process.stdin is not None
            process.stdin.write(json.dumps({**order, "seed": seed * PROCESSES + number}, default=str) + "\n")
            process.stdin.flush()

    def results(self) -> Iterator[dict[str, list[Any]]]:
        """What each says at the end of its run."""
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "a process died"
            yield json.loads(line)

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
        self.most_stored = self.most_taken = self.looks = 0

    def run(self) -> None:
        """See Thread."""
        while not self._stopped.is_set():
            self.most_stored = max(self.most_stored, stored_bytes(self._directory))
            self.most_taken = max(self.most_taken, self._house.ledger.account(self._project).taken)
            self.looks += 1
            self._stopped.wait(0.005)

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self.join()


def stored_bytes(directory: Path) -> int:
    """Bytes of all objects of a run."""
    total = 0
    for store in STORES:
        for path in (directory / store).iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += 0 if path.name.startswith(".") else path.stat().st_size
    return total


@pytest.fixture
def workers(database_url: str) -> Iterator[Workers]:
    """The processes, on a database with all tables."""
    with contextlib.closing(Database(database_url)) as database:
        upgrade(database, PARTS)
    with contextlib.closing(Workers(database_url)) as started:
        yield started


def test_law_4_the_limit_is_met_and_never_passed_whatever_fails(
    workers: Workers, database_url: str, tmp_path: Path
) -> None:
    refused_first = 0
    for run in range(RUNS):
        directory = tmp_path / f"run-{run}"
        for store in STORES:
            (directory / store).mkdir(parents=True)
        with contextlib.closing(House(database_url, directory, LIMIT, None)) as house:
            refused = watched_run(workers, house, directory, run)
            refused_first += len(refused)
            assert_met(house, directory, f"project-{run}", refused)
    assert refused_first > RUNS, "the limit was hardly reached: the test proves nothing"


def watched_run(workers: Workers, house: House, directory: Path, run: int) -> list[Image]:
    """The images that were refused for the quota. In every fourth run no store fails."""
    with Watcher(house, directory, f"project-{run}") as watcher:
        workers.begin(directory=directory, project=f"project-{run}", failing=run % 4 != 0, seed=run + 1)
        results = list(workers.results())
    assert [text for result in results for text in result["failed"]] == []
    assert watcher.looks > 1
    assert watcher.most_stored <= LIMIT
    assert watcher.most_taken <= LIMIT
    return [Image(*image) for result in results for image in result["refused"]]


def assert_met(house: House, directory: Path, project: str, refused: list[Image]) -> None:
    """When all is quiet: the ledger is what the stores hold, and there is no room for who is still refused."""
    still_refused = [image for image in sorted(refused, key=lambda image: image.size) if not is_stored(house, image)]
    held = stored_bytes(directory)
    assert held <= LIMIT
    assert house.ledger.account(project) == Charge(used=held, images=PROCESSES * UPLOADS)
    assert_sums(house.database)
    if still_refused:
        assert LIMIT - held < still_refused[0].size


def is_stored(house: House, image: Image) -> bool:
    """Tries it once more."""
    try:
        house.upload(image, STORES[0], known=image.size % 2 == 0)
    except errors.QuotaExceeded:
        return False
    return True
