"""Only the owner acts: among threads and among processes, exactly one attempt gets an image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import pytest

from imgstore import errors
from imgstore.sql import ImageRecord, SqlCatalog
from tests.sql.attempts import begin_copy, begun, to_remove
from tests.sql.conftest import OWNER, active_image, locations, queued_image, result
from tests.support.database_fixtures import EACH_DATABASE
from tests.support.race import Processes, together

THREADS = 8
ROUNDS = 6

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


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
def test_one_of_many_processes_begins_an_upload(catalog: SqlCatalog, tables: str) -> None:
    images = [queued_image(catalog) for _ in range(ROUNDS)]
    with Processes(CONTENDER, *[[tables, *images]] * 2) as contenders:
        contenders.go()
        lines = "".join(contenders.output()).splitlines()
    for image_id in images:
        assert sorted(line.split()[1] for line in lines if line.startswith(image_id)) == ["1", "conflict"]


def test_one_of_many_deletions_gets_the_image(catalog: SqlCatalog) -> None:
    for _ in range(ROUNDS):
        found = together(*[partial(catalog.delete, active_image(catalog), OWNER)] * THREADS)
        assert sum(isinstance(outcome, ImageRecord) for outcome in found) == 1
        assert found.count(errors.ImageNotFound) == THREADS - 1


def test_change_is_computed_outside_and_again_if_another_came_between(catalog: SqlCatalog) -> None:
    image_id = queued_image(catalog, name="a")
    seen: list[str | None] = []

    def change(image: ImageRecord) -> ImageRecord:
        if not seen:  # the other one would wait for ever if a transaction were open
            catalog.update(image_id, OWNER, lambda other: dataclasses.replace(other, name="b"))
        seen.append(image.name)
        return dataclasses.replace(image, name=f"{image.name}c")

    assert (catalog.update(image_id, OWNER, change).name, seen) == ("bc", ["a", "b"])


def raced(first: Callable[[], object], others: Callable[[], object], number: int) -> list[object]:
    """What `first` gave among others, and then what they gave; in every other round they start earlier."""
    acts = [first, *[others] * (THREADS - 1)]
    return together(*acts) if number % 2 else together(*acts[::-1])[::-1]


def test_activation_and_deletion_race_to_one_outcome(catalog: SqlCatalog) -> None:
    for number in range(ROUNDS):
        attempt = begun(catalog)
        delete = partial(catalog.delete, attempt.image_id, OWNER)
        activated, *others = raced(partial(catalog.activate, attempt, result(attempt)), delete, number)
        (deleted,) = [outcome.status for outcome in others if isinstance(outcome, ImageRecord)]
        won = activated is not errors.ImageGone
        assert (deleted, to_remove(catalog, attempt.image_id)) == (
            ("active", [("fast", attempt.key)]) if won else ("saving", [])
        )


def test_the_end_of_a_copy_and_a_deletion_race_to_one_outcome(catalog: SqlCatalog) -> None:
    for number in range(ROUNDS):
        image_id = active_image(catalog)
        attempt = begin_copy(catalog, image_id)
        add = partial(catalog.add_locations, attempt, locations(attempt, "slow"))
        added, *others = raced(add, partial(catalog.delete, image_id, OWNER), number)
        (deleted,) = [outcome for outcome in others if isinstance(outcome, ImageRecord)]
        copied = [("slow", attempt.key)] if added is None else []
        assert copied or added is errors.ImageGone
        assert [(location.store, location.key) for location in deleted.locations] == [("fast", image_id), *copied]
        assert to_remove(catalog, image_id) == [("fast", image_id), *copied]
        assert catalog.release(attempt) is not bool(copied)
