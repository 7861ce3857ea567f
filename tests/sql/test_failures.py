"""What a failing database means: CatalogUnavailable where nothing was changed, OutcomeUnknown where COMMIT failed."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import ImageQuery, OutcomeUnknown, SqlCatalog
from tests.sql.conftest import OWNER, active_image, queued_image, request, result

WRITER = """
import sys
from imgstore.sql import NewImage, SqlCatalog
from imgstore.model import Location, UploadRequest, UploadResult
import uuid
catalog = SqlCatalog(sys.argv[1])
while True:
    image_id = catalog.create(NewImage(str(uuid.uuid4()), "project", disk_format="raw", container_format="bare")).id
    attempt = catalog.begin(UploadRequest(image_id), "fast")
    catalog.activate(attempt, UploadResult(image_id, Location("fast", attempt.key, ""), 5, "sha512", "ab"))
    print(image_id, flush=True)
"""


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Inside, somebody else changes the database and does not end."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE").close()
        yield
        connection.execute("ROLLBACK").close()


@contextlib.contextmanager
def failing_commit(catalog: SqlCatalog, *, made: bool) -> Iterator[None]:
    """Inside, the first COMMIT raises as a disk that fails does; `made`: but the change is committed."""
    failed: list[bool] = []

    def fail(connection: sa.Connection) -> None:
        if failed:
            return
        failed.append(True)
        if made:
            connection.exec_driver_sql("COMMIT")
        raise sa.exc.OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))

    sa.event.listen(catalog._database._engine, "commit", fail)
    yield
    sa.event.remove(catalog._database._engine, "commit", fail)


def test_lock_that_does_not_end_is_catalog_unavailable(database: Path) -> None:
    catalog = SqlCatalog(f"sqlite:///{database}", busy_timeout=0.05)
    image_id = queued_image(catalog)
    attempt = catalog.begin(request(image_id), "fast")
    with locked(database):
        for change in (
            lambda: catalog.activate(attempt, result(attempt)),
            lambda: catalog.release(attempt),
            lambda: catalog.begin(request(image_id), "fast"),
            lambda: catalog.delete(image_id, OWNER),
        ):
            with pytest.raises(errors.CatalogUnavailable) as caught:
                change()
            assert "locked" in str(caught.value.detail)
        assert catalog.find(image_id).status == "saving", "reading goes on"
    catalog.activate(attempt, result(attempt))
    catalog.close()


@pytest.mark.parametrize("made", [False, True])
def test_failed_commit_of_an_activation_is_outcome_unknown(catalog: SqlCatalog, made: bool) -> None:
    attempt = catalog.begin(request(queued_image(catalog)), "fast")
    with failing_commit(catalog, made=made), pytest.raises(OutcomeUnknown):
        catalog.activate(attempt, result(attempt))
    assert catalog.release(attempt) is not made, "whether it was made can be asked afterwards"
    assert catalog.find(attempt.image_id).status == ("active" if made else "queued")


@pytest.mark.parametrize("made", [False, True])
def test_failed_commit_of_a_begin_gives_the_image_back(catalog: SqlCatalog, made: bool) -> None:
    image_id = queued_image(catalog)
    with failing_commit(catalog, made=made), pytest.raises(errors.CatalogUnavailable):
        catalog.begin(request(image_id), "fast")
    assert catalog.begin(request(image_id), "fast").number == (2 if made else 1)


def test_database_that_is_gone_is_catalog_unavailable(catalog: SqlCatalog, database: Path) -> None:
    image_id = active_image(catalog)
    catalog.close()
    for file in list(database.parent.iterdir()):
        file.unlink()
    database.mkdir()
    with pytest.raises(errors.CatalogUnavailable):
        catalog.find(image_id)


def test_tables_of_another_version_are_refused(catalog: SqlCatalog, database: Path) -> None:
    catalog.close()
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 99").close()
    with pytest.raises(errors.CatalogUnavailable, match="99"):
        SqlCatalog(f"sqlite:///{database}")


def test_killed_process_leaves_every_image_whole_or_untouched(database: Path) -> None:
    command = [sys.executable, "-c", WRITER, f"sqlite:///{database}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline().strip() for _ in range(20)]
        os.kill(writer.pid, signal.SIGKILL)
        told += writer.stdout.read().split()
    catalog = SqlCatalog(f"sqlite:///{database}")
    assert catalog.abandon_uploads() <= 1
    for image in catalog.list(OWNER, ImageQuery(limit=1000)):
        assert (image.status, len(image.locations), image.size) in {("active", 1, 5), ("queued", 0, None)}
    assert {image.id for image in catalog.list(OWNER, ImageQuery(limit=1000)) if image.status == "active"} >= set(told)
    catalog.close()
