"""A catalog that is locked or full while requests end: 503 and never 500, and no image that stays `saving` (undone)."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore.drivers.memory import MemoryDriver
from imgstore.sql import OutcomeUnknown, dialects
from imgstore.store import Store, StoreSet
from tests.support.client import Answer
from tests.support.service import LocalService


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalService]:
    stores = StoreSet([Store("only", MemoryDriver())], default="only")
    with LocalService(tmp_path, stores, busy_timeout=0.05).running() as running:
        yield running


@contextlib.contextmanager
def locked(local: LocalService) -> Iterator[None]:
    """Inside, another process changes the database and does not end."""
    with contextlib.closing(sqlite3.connect(local.catalog.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE").close()
        yield
        connection.execute("ROLLBACK").close()


@contextlib.contextmanager
def full_at_commit(local: LocalService) -> Iterator[None]:
    """Inside, the COMMIT of every change fails, as SQLite's does where the disk is full."""
    engine = local.service.catalog._database._engine

    def fail(connection: sa.Connection) -> None:
        if connection.get_execution_options().get(dialects.CHANGES):
            raise sa.exc.OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full"))

    sa.event.listen(engine, "commit", fail)
    yield
    sa.event.remove(engine, "commit", fail)


@pytest.mark.parametrize("broken", [locked, full_at_commit])
def test_undone_an_image_whose_release_failed_takes_the_retry(
    local: LocalService, broken: Callable[[LocalService], contextlib.AbstractContextManager[None]]
) -> None:
    image_id = local.client.create()
    with local.client.begin_upload(image_id, length=8) as upload:
        upload.send(b"half")
        with broken(local):
            assert upload.end_side().status == 400
    assert local.catalog.status(image_id) == "saving", "the catalog could not be told"
    assert local.client.upload(image_id, b"content").status == 204
    assert local.client.download(image_id).body == b"content"
    assert local.catalog.uploads() == 0


def test_undone_an_image_whose_activation_failed_takes_the_retry(local: LocalService) -> None:
    image_id = local.client.create()
    with local.client.begin_upload(image_id, length=8) as upload, full_at_commit(local):
        upload.send(b"8 octets")
        assert upload.finish().status == 503
    assert local.client.upload(image_id, b"content").status == 204
    assert local.client.download(image_id).body == b"content"
    assert local.catalog.removals() == [image_id], "the first attempt's object is removed at the next start"


@pytest.mark.parametrize(
    "change", [lambda local, _: local.client.post("/v2/images", {}), lambda local, image: local.client.delete(image)]
)
def test_right_blame_a_failed_commit_is_503(local: LocalService, change: Callable[[LocalService, str], Answer]) -> None:
    image_id = local.client.create()
    with full_at_commit(local):
        answer = change(local, image_id)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert change(local, image_id).status in {201, 204}


def test_deletion_is_done_although_the_removal_cannot_be_noted(
    local: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = local.client.create()
    assert local.client.upload(image_id, b"content").status == 204

    def fail(removal: object) -> None:
        raise OutcomeUnknown("COMMIT failed")

    monkeypatch.setattr(local.service.catalog, "removed", fail)
    assert local.client.delete(image_id).status == 204
    assert local.catalog.removals() == [image_id]
