"""What goes over everything takes no more memory for four times as much: `verify` of a store, the audit of usage."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import ObjectInfo
from imgstore.service.cleanup import verify
from imgstore.service.cleanup.verify import MISSING, UNKNOWN, Difference, Verification
from imgstore.sql import PARTS, SqlCatalog, audit, compare, locations, opened
from imgstore.sql.database import Database
from imgstore.store import Store, StoreSet
from imgstore.transfers import listings
from tests.support.many_images import SIZE, STORE, fill, image_id

FEW, MANY = 300, 1200
PORTION = 50


class Listing(MemoryDriver):
    """Has these objects, in no order."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__()
        self.keys = keys

    def objects(self) -> Iterator[ObjectInfo]:
        return (ObjectInfo(key, SIZE) for key in reversed(self.keys))

    def _stat(self, key: str) -> ObjectInfo:
        if key not in self.keys:
            raise errors.ObjectNotFound("It is not there.")
        return ObjectInfo(key, SIZE)


@pytest.fixture(autouse=True)
def _portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones, so that few rows are many."""
    monkeypatch.setattr(audit, "PAGE", PORTION)
    monkeypatch.setattr(locations, "PAGE", PORTION)
    monkeypatch.setattr(listings, "AT_ONCE", PORTION)
    monkeypatch.setattr(verify, "AT_ONCE", PORTION)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(opened(f"sqlite:///{tmp_path}/catalog", PARTS)) as found:
        yield found


def peak_of(work: Callable[[], object]) -> int:
    """Bytes of memory that `work` takes at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def ids(numbers: range) -> list[str]:
    return [image_id(number) for number in numbers]


def verification(database: Database, keys: Sequence[str]) -> Callable[..., list[Difference]]:
    """Compares a store that lists `keys`."""
    store = Store(STORE, Listing(keys))
    verification = Verification(SqlCatalog(database), StoreSet([store], default=STORE))
    return lambda after="": list(verification.of_store(store, after=after))


def test_memory_does_not_grow_with_the_store(database: Database) -> None:
    peaks = []
    for start, end in ((0, FEW), (FEW, MANY)):
        fill(database, range(start, end))
        verified = verification(database, ids(range(end)))
        assert (verified(), compare(database).images) == ([], ())  # what is made once: statements, a connection
        peaks.append((peak_of(verified), peak_of(partial(compare, database))))
    for few, many in zip(*peaks, strict=True):
        assert many < 1.3 * few, (few, many)


def test_the_catalog_is_asked_once_about_many_suspects(database: Database) -> None:
    missing, there, strange = (ids(range(start, start + PORTION)) for start in range(0, 3 * PORTION, PORTION))
    fill(database, range(2 * PORTION))
    statements: list[object] = []
    sa.event.listen(database._engine, "before_cursor_execute", lambda *told: statements.append(told))
    found = {(each.problem, each.key) for each in verification(database, [*there, *strange])()}
    assert found == {(MISSING, key) for key in missing} | {(UNKNOWN, key) for key in strange}
    assert len(statements) < len(found) / 2


def test_verify_goes_on_behind_a_key(database: Database) -> None:
    keys = sorted(ids(range(5)))
    fill(database, range(5))
    assert [each.key for each in verification(database, [])(keys[2])] == keys[3:]
