"""What a failing database means: CatalogUnavailable where nothing was changed, OutcomeUnknown where COMMIT failed."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import Database, ImageQuery, OutcomeUnknown, SqlCatalog, upgrade
from tests.sql.conftest import OWNER, active_image, queued_image, request, result
from tests.support.database_fixtures import SERVER_KINDS
from tests.support.databases import SERVERS

WRITER = """
import sys
from imgstore.sql import NewImage, SqlCatalog
from imgstore.model import Location, UploadRequest, UploadResult
import uuid
catalog = SqlCatalog(sys.argv[1])
while True:
    image_id = catalog.create(NewImage(str(uuid.uuid4()), "project", disk_format="raw", container_format="bare")).id
    attempt = catalog.begin(UploadRequest(image_id), ["fast"])
    catalog.activate(attempt, UploadResult(image_id, [Location("fast", attempt.key, "")], 5, "sha512", "ab"))
    print(image_id, flush=True)
"""


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    """Inside, somebody else has the images locked and does not end."""
    database = Database(url)
    with database._engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection = connection.execution_options(imgstore_changes=True)
        with connection.begin() as transaction:
            connection.exec_driver_sql("UPDATE images SET min_disk = min_disk + 1")
            yield
            transaction.rollback()
    database.close()


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
        raise sa.exc.OperationalError("COMMIT", None, OSError("disk I/O error"))

    sa.event.listen(catalog._database._engine, "commit", fail)
    yield
    sa.event.remove(catalog._database._engine, "commit", fail)


def test_lock_that_does_not_end_is_catalog_unavailable(tables: str) -> None:
    catalog = SqlCatalog(tables, busy_timeout=0.05)
    image_id = queued_image(catalog)
    attempt = catalog.begin(request(image_id), ["fast"])
    with locked(tables):
        for change in (
            lambda: catalog.activate(attempt, result(attempt)),
            lambda: catalog.release(attempt),
            lambda: catalog.begin(request(image_id), ["fast"]),
            lambda: catalog.delete(image_id, OWNER),
        ):
            with pytest.raises(errors.CatalogUnavailable) as caught:
                change()
            assert "lock" in str(caught.value.detail).lower()
        assert catalog.find(image_id).status == "saving", "reading goes on"
    catalog.activate(attempt, result(attempt))
    catalog.close()


@pytest.mark.parametrize("made", [False, True])
def test_failed_commit_of_an_activation_is_outcome_unknown(catalog: SqlCatalog, made: bool) -> None:
    attempt = catalog.begin(request(queued_image(catalog)), ["fast"])
    with failing_commit(catalog, made=made), pytest.raises(OutcomeUnknown):
        catalog.activate(attempt, result(attempt))
    assert catalog.release(attempt) is not made, "whether it was made can be asked afterwards"
    assert catalog.find(attempt.image_id).status == ("active" if made else "queued")


@pytest.mark.parametrize("made", [False, True])
def test_failed_commit_of_a_begin_gives_the_image_back(catalog: SqlCatalog, made: bool) -> None:
    image_id = queued_image(catalog)
    with failing_commit(catalog, made=made), pytest.raises(errors.CatalogUnavailable):
        catalog.begin(request(image_id), ["fast"])
    assert catalog.begin(request(image_id), ["fast"]).number == (2 if made else 1)


def test_file_that_is_gone_is_catalog_unavailable(tmp_path: Path) -> None:
    database = tmp_path / "own" / "catalog.sqlite"
    database.parent.mkdir()
    catalog = SqlCatalog(f"sqlite:///{database}")
    image_id = active_image(catalog)
    catalog.close()
    for file in list(database.parent.iterdir()):
        file.unlink()
    database.mkdir()
    with pytest.raises(errors.CatalogUnavailable):
        catalog.find(image_id)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PyMySQL's, where nobody listens
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the same, as pytest tells it
@pytest.mark.parametrize("server_kind", SERVER_KINDS)
def test_server_that_is_gone_is_catalog_unavailable_until_it_is_back(server_kind: str) -> None:
    with SERVERS[server_kind]() as server, server.database() as url:
        address = url.render_as_string(hide_password=False)
        with contextlib.closing(Database(address)) as database:
            upgrade(database)
        catalog = SqlCatalog(address, busy_timeout=1)
        image_id = active_image(catalog)
        server.stop()
        for act in (lambda: catalog.find(image_id), lambda: catalog.delete(image_id, OWNER)):
            with pytest.raises(errors.CatalogUnavailable):
                act()
        server.start()
        assert catalog.find(image_id).status == "active"
        catalog.close()
    gc.collect()  # what PyMySQL forgot, while it is this test's


def test_killed_process_leaves_every_image_whole_or_untouched(tables: str) -> None:
    command = [sys.executable, "-c", WRITER, tables]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline().strip() for _ in range(20)]
        os.kill(writer.pid, signal.SIGKILL)
        told += writer.stdout.read().split()
    catalog = SqlCatalog(tables)
    assert catalog.abandon_uploads() <= 1
    for image in catalog.list(OWNER, ImageQuery(limit=1000)):
        assert (image.status, len(image.locations), image.size) in {("active", 1, 5), ("queued", 0, None)}
    assert {image.id for image in catalog.list(OWNER, ImageQuery(limit=1000)) if image.status == "active"} >= set(told)
    catalog.close()
