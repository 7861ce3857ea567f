"""Only the owner acts (law 8): among threads and among processes, exactly one attempt gets an image."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial

from imgstore import errors
from imgstore.model import Attempt
from imgstore.sql import ImageRecord, SqlCatalog
from tests.sql.conftest import OWNER, active_image, queued_image, request, result

THREADS = 8
ROUNDS = 10

CONTENDER = """
import sys
from imgstore import errors
from imgstore.model import UploadRequest
from imgstore.sql import SqlCatalog
catalog = SqlCatalog(sys.argv[1], busy_timeout=60)
print("ready", flush=True)
sys.stdin.readline()
for image_id in sys.argv[2:]:
    try:
        print(image_id, catalog.begin(UploadRequest(image_id), ["fast"]).number, flush=True)
    except errors.ImageConflict:
        print(image_id, "conflict", flush=True)
catalog.close()
"""


def outcomes(act: Callable[[], object]) -> list[object]:
    """What `act` returned or raised in each of THREADS threads that start together."""
    barrier, results = threading.Barrier(THREADS), []

    def run() -> None:
        barrier.wait()
        try:
            results.append(act())
        except errors.ImgstoreError as error:
            results.append(type(error))

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_law_8_one_of_many_threads_begins_an_upload(catalog: SqlCatalog) -> None:
    for _ in range(ROUNDS):
        image_id = queued_image(catalog)
        found = outcomes(partial(catalog.begin, request(image_id), ["fast"]))
        assert sum(isinstance(outcome, Attempt) for outcome in found) == 1
        assert found.count(errors.ImageConflict) == THREADS - 1


def test_law_8_activation_and_deletion_race_to_one_outcome(catalog: SqlCatalog) -> None:
    for _ in range(ROUNDS):
        attempt = catalog.begin(request(queued_image(catalog)), ["fast"])
        found = outcomes(ActivateOnceElseDelete(catalog, attempt))
        deleted = [outcome.status for outcome in found if isinstance(outcome, ImageRecord)]
        removals = [removal.key for removal in catalog.removals(attempt.image_id)]
        assert (deleted, removals) == ((["saving"], []) if errors.ImageGone in found else (["active"], [attempt.key]))


class ActivateOnceElseDelete:
    """Activates in the thread that comes first, deletes in the others."""

    def __init__(self, catalog: SqlCatalog, attempt: Attempt) -> None:
        self._catalog = catalog
        self._attempt = attempt
        self._first = threading.Lock()

    def __call__(self) -> object:
        if self._first.acquire(blocking=False):
            self._catalog.activate(self._attempt, result(self._attempt))
            return None
        return self._catalog.delete(self._attempt.image_id, OWNER)


def test_one_of_many_deletions_gets_the_image(catalog: SqlCatalog) -> None:
    for _ in range(ROUNDS):
        image_id = active_image(catalog)
        found = outcomes(partial(catalog.delete, image_id, OWNER))
        assert sum(isinstance(outcome, ImageRecord) for outcome in found) == 1
        assert found.count(errors.ImageNotFound) == THREADS - 1


def test_law_8_one_of_many_processes_begins_an_upload(catalog: SqlCatalog, tables: str) -> None:
    images = [queued_image(catalog) for _ in range(ROUNDS)]
    command = [sys.executable, "-c", CONTENDER, tables, *images]
    contenders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        for contender in contenders:
            assert contender.stdout is not None
            assert contender.stdout.readline() == "ready\n"
        for contender in contenders:
            assert contender.stdin is not None
            contender.stdin.write("go\n")
            contender.stdin.flush()
        lines = [line for contender in contenders for line in contender.communicate(timeout=60)[0].splitlines()]
    finally:
        for contender in contenders:
            contender.kill()
            contender.communicate()
    for image_id in images:
        assert sorted(line.split()[1] for line in lines if line.startswith(image_id)) == ["1", "conflict", "conflict"]
