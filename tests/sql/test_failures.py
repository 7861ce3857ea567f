"""What a failing database means: CatalogUnavailable where nothing was changed, OutcomeUnknown where COMMIT failed."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import PARTS, Database, ImageQuery, OutcomeUnknown, SqlCatalog
from imgstore.sql.schema import IMAGES
from tests.sql.attempts import begun
from tests.sql.conftest import OWNER, active_image, queued_image, request, result
from tests.support.database_faults import failing_commit, locked_images
from tests.support.database_fixtures import SERVER_KINDS, Servers

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


def test_lock_that_does_not_end_is_catalog_unavailable(tables: str) -> None:
    """A server's lock times out after a second at least, so two changes stand for all."""
    with contextlib.closing(SqlCatalog(tables, busy_timeout=0.05)) as catalog:
        attempt = begun(catalog)
        with locked_images(tables):
            for change in (lambda: catalog.activate(attempt, result(attempt)), lambda: catalog.release(attempt)):
                with pytest.raises(errors.CatalogUnavailable) as caught:
                    change()
                assert "lock" in str(caught.value.detail).lower()
            assert catalog.find(attempt.image_id).status == "saving", "reading goes on"
        assert catalog.begin(request(attempt.image_id), ["fast"]).number == 2


def test_undone_a_release_that_failed_is_made_up_for_when_anybody_begins_an_upload(tables: str) -> None:
    with contextlib.closing(SqlCatalog(tables, busy_timeout=0.05)) as catalog:
        failed = [begun(catalog) for _ in range(2)]
        with locked_images(tables):
            for attempt in failed:
                with pytest.raises(errors.CatalogUnavailable):
                    catalog.release(attempt)
        begun(catalog)
        assert [catalog.find(attempt.image_id).status for attempt in failed] == ["queued", "queued"]
        assert len(catalog._unreleased) == 0, "an image of which nobody asks again is not remembered for ever"


def test_failed_commit_of_an_activation_is_outcome_unknown(catalog: SqlCatalog) -> None:
    for made in (False, True):
        attempt = begun(catalog)
        with failing_commit(catalog._database, made=made), pytest.raises(OutcomeUnknown):
            catalog.activate(attempt, result(attempt))
        assert catalog.release(attempt) is not made, "whether it was made can be asked afterwards"
        assert catalog.find(attempt.image_id).status == ("active" if made else "queued")


def test_failed_commit_of_a_begin_gives_the_image_back(catalog: SqlCatalog) -> None:
    for made in (False, True):
        image_id = queued_image(catalog)
        with failing_commit(catalog._database, made=made), pytest.raises(errors.CatalogUnavailable):
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


@pytest.mark.parametrize("database_kind", SERVER_KINDS, indirect=True)
def test_right_blame_a_value_that_does_not_fit_is_the_hosts_mistake(catalog: SqlCatalog) -> None:
    """The database works, so no retry mends it. SQLite keeps whatever it gets."""
    with pytest.raises(errors.UsageError, match="does not take a value"):
        queued_image(catalog, name="x" * 256)
    assert catalog.list(OWNER, ImageQuery(1)) == []


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PyMySQL's, where nobody listens
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the same, as pytest tells it
@pytest.mark.parametrize("server_kind", SERVER_KINDS)
def test_server_that_is_gone_is_catalog_unavailable_until_it_is_back(servers: Servers, server_kind: str) -> None:
    address = servers.tables(server_kind, PARTS)
    with contextlib.closing(SqlCatalog(address, busy_timeout=1)) as catalog:
        image_id = active_image(catalog)
        with servers[server_kind].stopped():
            for act in (lambda: catalog.find(image_id), lambda: catalog.delete(image_id, OWNER)):
                with pytest.raises(errors.CatalogUnavailable):
                    act()
        assert catalog.find(image_id).status == "active"
    gc.collect()  # what PyMySQL forgot, while it is this test's


@pytest.mark.long
@pytest.mark.parametrize("server_kind", SERVER_KINDS)
def test_server_that_hangs_is_catalog_unavailable_until_it_goes_on(servers: Servers, server_kind: str) -> None:
    """A frozen machine keeps no timeout of its own; it is this side that gives it up."""
    address = servers.tables(server_kind, PARTS)
    with contextlib.closing(SqlCatalog(address, busy_timeout=1)) as catalog:
        image_id = active_image(catalog)
        with servers[server_kind].frozen(), pytest.raises(errors.CatalogUnavailable):
            catalog.find(image_id)
        assert catalog.find(image_id).status == "active"
    gc.collect()


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


def test_refusal_stays_a_refusal_where_the_connection_breaks_at_the_rollback(catalog: SqlCatalog) -> None:
    """It is certain that nothing was changed, since COMMIT was never sent; the next change has another connection."""
    image_id = queued_image(catalog)

    def refused(connection: sa.Connection) -> None:
        connection.execute(sa.update(IMAGES).where(IMAGES.c.id == image_id).values(name="changed"))
        driver_connection = connection.connection.driver_connection
        assert driver_connection is not None
        driver_connection.close()
        raise errors.ImageGone("the image is another's")

    with pytest.raises(errors.ImageGone):
        catalog._database.change(refused)
    assert catalog.get(image_id, OWNER).name != "changed"
    assert catalog.begin(request(image_id), ["fast"]).number == 1


def test_a_database_that_is_only_read_refuses_every_change(tables: str) -> None:
    with contextlib.closing(SqlCatalog(tables)) as catalog:
        image = queued_image(catalog)
        with contextlib.closing(Database(tables, read_only=True)) as database:
            for change in (sa.delete(IMAGES), sa.update(IMAGES).values(status="active")):
                for method in (database.read, database.change):
                    with pytest.raises(errors.CatalogUnavailable):
                        method(partial(sa.Connection.execute, statement=change))
            seen = database.read(lambda connection: list(connection.scalars(sa.select(IMAGES.c.status))))
        assert (seen, catalog.find(image).status) == (["queued"], "queued")
