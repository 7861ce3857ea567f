"""The pages of doc/operations about backup and restore, as they stand, with uploads under way at both; and a restored
database that nobody has told of."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.driver.place import EPOCH_NAME
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.hosting.orphaned_holds import OrphanedHolds
from imgstore.hosting.records import HostRecords
from imgstore.hosting.recovery import RecoveryLoop
from imgstore.hosting.removal_queue import RemovalQueue
from imgstore.model import Location, UploadResult
from imgstore.sql import EVERYTHING, NewImage, SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.transfers.places import settle
from tests.needs import find_server
from tests.support.attempts import begun, dead
from tests.support.database_fixtures import SERVER_KINDS
from tests.support.service import ServiceProcess
from tests.support.waiting import until

OPERATIONS = Path(__file__).parent.parent.parent / "doc" / "operations"
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}


class Operator:
    """Runs the pages' commands in the service's directory."""

    def __init__(self, service: ServiceProcess, kind: str, url: sa.URL) -> None:
        self._root = service.root
        self._name = NAMES[kind]
        socket = str(url.query.get("unix_socket", ""))
        (self._root / "my.cnf").write_text(f"[client]\nsocket={socket}\nuser=root\n")
        servers = [str(found.parent) for found in map(find_server, ("postgres", "mariadbd")) if found is not None]
        self._environ = {
            **os.environ, "IMGSTORE_CONFIG": str(service.configuration), "NAME": str(url.database),
            "PGHOST": str(url.query.get("host", "")), "PGUSER": "tester", "PGDATABASE": str(url.database),
            "PATH": os.pathsep.join([sysconfig.get_path("scripts"), *servers, os.environ["PATH"]]),
        }  # fmt: skip

    def does(self, what: str, *, status: int = 0, **environ: str) -> str:
        """Runs a block; returns what it prints."""
        script = _blocks()[f"{self._name}: {what}" if what in ("back up", "restore") else f"every database: {what}"]
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=self._root, env=self._environ | environ, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout


def _blocks() -> Mapping[str, str]:
    text = "".join((OPERATIONS / page).read_text() for page in ("backup.md", "restore.md"))
    return dict(re.findall(r"^```sh\n# (.+)\n((?:.*\n)+?)```$", text, re.MULTILINE))


def _epoch(service: ServiceProcess) -> str:
    return (service.stores["fast"] / EPOCH_NAME).read_text()


@pytest.mark.parametrize(
    ("database_kind", "by_itself"),
    [
        ("sqlite", True), pytest.param("sqlite", False, marks=pytest.mark.long),
        *(pytest.param(*kind.values, True, marks=[*kind.marks, pytest.mark.long]) for kind in SERVER_KINDS),
    ],
    indirect=["database_kind"],
)  # fmt: skip
def test_restored_database_removes_nothing_until_an_operator_has_looked(
    tables: str, database_kind: str, tmp_path: Path, by_itself: bool
) -> None:
    database = tmp_path / "imgstore.sqlite" if database_kind == "sqlite" else tables
    options = {"database": database, "health_interval": 0.2 if by_itself else 86400}
    service = ServiceProcess(tmp_path, options={"service": options})
    operator = Operator(service, database_kind, sa.make_url(tables))
    with service:
        client = service.client
        before, during, late = client.create(), client.create(), client.create()
        assert client.upload(before, b"before").status == 204
        with client.begin_upload(during, length=6) as upload, client.begin_upload(late, length=6) as unfinished:
            upload.send(b"dur")
            unfinished.send(b"lat")
            operator.does("back up")
            upload.send(b"ing")
            assert upload.answer().status == 204
            after = client.create()
            assert client.upload(after, b"after").status == 204
            at = _epoch(service)
            until(lambda: _epoch(service) != at or not by_itself)
            service.kill()
    operator.does("restore")
    if not by_itself:
        operator.does("say so")
    with service:
        client = service.client
        assert "Nothing is removed" in service.log.read_text()
        assert service.objects("fast") == sorted([before, during, after])
        found = operator.does("look", status=1)
        assert [key for key in (before, during, after, late) if key in found] == [during, after]
        operator.does("adopt, and go on", DURING=during, AFTER=after, PROJECT="default")
        assert "agree" in operator.does("look")
        assert [client.download(each).body for each in (before, during, after)] == [b"before", b"during", b"after"]
    # The kill may meet a look at the store: its probe is no image's, and goes with the next purge.
    assert [name for name in service.leftovers("fast") if "-probe-" not in name] == []


def test_nothing_is_removed_from_a_store_that_comes_up_before_its_epoch_was_looked_at(tmp_path: Path) -> None:
    """It was down at the start, and the next round of recovery comes before its next check."""
    driver = FilesystemDriver(datadir=str(tmp_path / "fast"))
    stores = StoreSet([Store("fast", driver)], default="fast")
    with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/imgstore.sqlite")) as catalog:
        settle(stores.resolve("fast"), catalog.places, create=True)
        died = dead(catalog)
        (tmp_path / "fast" / died.key).write_bytes(b"good")
        driver.write_epoch(7)
        records = HostRecords(catalog, restored=catalog.restored)
        recovery = RecoveryLoop(records, RemovalQueue(stores, records), OrphanedHolds(stores, records))
        recovery.recover(at_once=True)
        assert [info.key for info in driver.objects()] == [died.key]
        assert catalog.restored.resume({"fast": 7})
        recovery.recover(at_once=True)
        assert list(driver.objects()) == []


def test_the_image_of_an_upload_that_lives_adopts_nothing(tmp_path: Path) -> None:
    """It would remove the object when it finds that it lost its image. The leases of a backup are nobody's."""
    with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/imgstore.sqlite")) as catalog:
        living = begun(catalog)
        image = NewImage(living.image_id, "")
        result = UploadResult(living.image_id, [Location("fast", living.key, "")], 4, "sha512", "", checksum=None)
        with pytest.raises(errors.ImageConflict, match="has an upload under way"):
            catalog.adopt(image, living.key, result)
        catalog.restored.declare("a test says so")
        catalog.adopt(image, living.key, result)
        assert catalog.get(living.image_id, EVERYTHING).status == "active"
