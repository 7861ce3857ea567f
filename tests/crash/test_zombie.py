"""Only the owner acts: a process that freezes in an upload, and wakes up after another attempt won, harms nothing.

The process is stopped by SIGSTOP, its lease is taken by another one, the image is uploaded again, SIGCONT follows. It
is stopped right after it renewed its leases: a process that is frozen inside a transaction keeps the others from
theirs, on SQLite all of them, until it wakes up or the database's server gives it up. On each kind of storage nothing
of the loser's is left, and the quota counts what the stores hold.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore.sql import PARTS, Charge, Database, SqlCatalog, SqlLedger, upgrade
from imgstore.sql.schema import IMAGES, LOCATIONS
from tests.cli.support import run_here
from tests.crash.places import Gated, Place
from tests.support.attempts import dead
from tests.support.database_fixtures import KINDS
from tests.support.service import ServiceProcess
from tests.support.waiting import until

MIB = 1024 * 1024
WINNER = b"the winner's data" * 40_000
"""More than one part, and more than one segment."""
LONG = pytest.mark.long
ON_SERVERS = [("moto", 2 * MIB), ("swift", None)]
MID_UPLOADS = [
    pytest.param("sqlite", "named", None),
    *(
        pytest.param(*kind.values, *storage, marks=[*kind.marks, LONG])
        for kind, storage in zip(KINDS[1:], ON_SERVERS, strict=True)
    ),
]
"""Database, storage and declared length; files have hidden names, so that what is left can be seen."""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The service's database, looked at from outside."""
    with contextlib.closing(Database(database_url)) as database:
        upgrade(database, PARTS)
        yield database


def lease_of(database: Database, image_id: str) -> int | None:
    query = sa.select(IMAGES.c.lease_until).where(IMAGES.c.id == image_id)
    return database.read(lambda connection: connection.scalar(query))


def live_keys(database: Database) -> set[str]:
    query = sa.select(LOCATIONS.c.key)
    return database.read(lambda connection: set(connection.scalars(query)))


def service_on(root: Path, place: Place, database_url: str) -> ServiceProcess:
    """Whose leases end soon."""
    options = {**place.options(), "service": {"database": database_url, "upload_lease": 1, "recovery_interval": 1}}
    return ServiceProcess(root, options=options, environment=place.environment())


@contextlib.contextmanager
def frozen(service: ServiceProcess, renewed: Callable[[], object]) -> Iterator[None]:
    """Inside, the process does not run; `renewed` tells when it has last renewed its leases."""
    before = renewed()
    until(lambda: renewed() != before)
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(service.process.pid, signal.SIGCONT)


@pytest.mark.parametrize(("database_kind", "storage", "length"), MID_UPLOADS, indirect=["database_kind", "storage"])
def test_zombie_in_mid_upload_cannot_harm_the_winner(
    tmp_path: Path, database: Database, database_url: str, place: Place, length: int | None
) -> None:
    first = service_on(tmp_path, place, database_url)
    with first, first.another() as second:
        image_id = first.client.create()
        with first.client.begin_upload(image_id, length=length) as zombie:
            zombie.send(bytes(MIB))
            until(lambda: bool(place.names()))
            with frozen(first, lambda: lease_of(database, image_id)):
                until(lambda: second.client.show(image_id)["status"] == "queued")
                until(lambda: not place.names())
                assert second.client.upload(image_id, WINNER).status == 204
            with contextlib.suppress(ConnectionError):  # it may have heard already
                zombie.send(bytes(MIB))
            answer = zombie.finish() if length is None else zombie.answer()
            assert answer.status in (409, 410)
        for service in (first, second):
            assert service.client.download(image_id).body == WINNER
        assert place.names() == live_keys(database) == {f"{image_id}.2"}
        assert verified(first, place) == "Catalog, usage and stores agree.\n"
        assert usage(database) == Charge(used=len(WINNER), images=1)


def verified(service: ServiceProcess, place: Place) -> str:
    command = ["verify", "--digests", "--config-file", str(service.configuration)]
    environment = {**os.environ, **place.environment()}
    sites = [Path(path) for path in environment.get("PYTHONPATH", "").split(os.pathsep)]
    return run_here(service.root, environment, command, *sites).out.decode()


def usage(database: Database) -> Charge:
    """Of the project."""
    return SqlLedger(database).account("default")


@pytest.mark.long
@pytest.mark.parametrize("database_kind", KINDS[:2], indirect=True)
def test_zombie_in_its_commit_cannot_harm_the_winner(tmp_path: Path, database: Database, database_url: str) -> None:
    """It was told that it owns the image, and freezes then: it commits, and is refused."""
    place = Gated(tmp_path)
    first = service_on(tmp_path, place, database_url)
    with first, first.another() as second:
        image_id = first.client.create()
        gate = first.stores["fast"] / ".gate-commit"
        os.mkfifo(gate)
        with first.client.begin_upload(image_id, length=4) as zombie:
            zombie.send(b"late")
            opened = os.open(gate, os.O_WRONLY)  # returns when the zombie is about to commit
            with frozen(first, lambda: lease_of(database, image_id)):
                until(lambda: second.client.show(image_id)["status"] == "queued")
                assert second.client.upload(image_id, WINNER, store="slow").status == 204
                until(lambda: live_keys(database) == {f"{image_id}.2"})
            os.close(opened)
            assert zombie.answer().status == 410
        gate.unlink()
        assert second.client.download(image_id).body == WINNER
        assert place.names() == {f"{image_id}.2"}


@pytest.mark.long
@pytest.mark.parametrize("database_kind", KINDS[1:2], indirect=True)
@pytest.mark.usefixtures("database")
def test_process_frozen_for_less_than_a_lease_goes_on(tmp_path: Path, database_url: str) -> None:
    options = {"service": {"database": database_url, "upload_lease": 600, "recovery_interval": 1}}
    first = ServiceProcess(tmp_path, options=options)
    with first, first.another() as second, contextlib.closing(SqlCatalog(database_url)) as catalog:
        image_id = first.client.create()
        with first.client.begin_upload(image_id, length=8) as upload:
            upload.send(b"half")
            os.kill(first.process.pid, signal.SIGSTOP)
            for _ in range(2):
                a_round_of_recovery(catalog, second)
            assert second.client.show(image_id)["status"] == "saving"
            os.kill(first.process.pid, signal.SIGCONT)
            upload.send(b"more")
            assert upload.finish().status == 204
        assert second.client.download(image_id).body == b"halfmore"


def a_round_of_recovery(catalog: SqlCatalog, service: ServiceProcess) -> None:
    """Returns when the service has taken back the image of one more attempt that is dead."""
    decoy = dead(catalog).image_id
    until(lambda: service.client.show(decoy)["status"] == "queued")
