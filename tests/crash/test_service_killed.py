"""Undone: SIGKILL of the service at any moment of uploads leaves everything whole, and nothing else.

Each kill hits several uploads, small and large, of known and of unknown length. The first one hits a commit; the others
are spread over the time that uploads take, each at random in its own part of it. After the next start nothing is left.
Where the database is shared, another process of the service recovers what was left, while it serves.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imgstore.drivers.s3.objects import PROBE
from tests.crash.places import Named, Place
from tests.support.client import Client
from tests.support.database_fixtures import KINDS
from tests.support.rounds import rounds
from tests.support.service import PATIENCE, STORES, ServiceProcess
from tests.support.waiting import until

KILLS = [
    pytest.param("named", 2),
    pytest.param("filesystem", rounds(6), marks=pytest.mark.long),
    *(pytest.param(storage, rounds(4), marks=pytest.mark.long) for storage in ("moto", "swift")),
]
"""Kind of storage, and how many kills."""


@dataclass
class Upload:
    """One image, what is sent as its data, and what the client was told (None: nothing)."""

    image_id: str
    body: bytes
    store: str
    chunked: bool
    status: int | None = None
    sent: threading.Event = field(default_factory=threading.Event)
    """Set when a chunked body is at its end: what follows is the commit."""

    def send(self, client: Client) -> None:
        """Uploads; a service that dies is no surprise."""
        body = self._pieces() if self.chunked else self.body
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.status = client.upload(self.image_id, body, store=self.store).status

    def _pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.body), 65536):
            yield self.body[start : start + 65536]
        self.sent.set()


def uploads_of(client: Client, large: int, random_source: random.Random) -> list[Upload]:
    """One image for each kind of upload."""
    kinds = [(1000, False), (1000, True), (large, False), (large, True)]
    return [
        Upload(client.create(), random_source.randbytes(size), random_source.choice(STORES), chunked)
        for size, chunked in kinds
    ]


@contextlib.contextmanager
def under_way(client: Client, uploads: Sequence[Upload]) -> Iterator[None]:
    """Inside, all are being sent; they have ended afterwards."""
    threads = [threading.Thread(target=upload.send, args=(client,)) for upload in uploads]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def assert_recovered(service: ServiceProcess, place: Place, uploads: Sequence[Upload]) -> None:
    """No image in saving, nothing pending, nothing in the stores but the data of active images, which is whole."""
    catalog, client = service.catalog, service.client
    until(lambda: not any(PROBE in name for name in place.names()))  # of the check at the start, which goes on
    assert (catalog.uploads(), catalog.removals()) == (0, [])
    assert place.names() == set(catalog.keys())
    for upload in uploads:
        status = client.show(upload.image_id)["status"]
        assert status == "active" if upload.status == 204 else status in ("active", "queued")
        if status == "queued":
            assert client.upload(upload.image_id, upload.body, store=upload.store).status == 204
        assert client.download(upload.image_id).body == upload.body
        assert client.delete(upload.image_id).status == 204
    assert place.names() == set()
    assert client.get("/v2/info/usage").json()["usage"]["image_size_total"]["usage"] == 0


@pytest.mark.parametrize(("storage", "kills"), KILLS, indirect=["storage"])
def test_service_killed_at_any_moment_leaves_nothing(tmp_path: Path, place: Place, kills: int) -> None:
    with ServiceProcess(tmp_path, options=place.options(), environment=place.environment()) as service:
        chance, cut = random.Random(7), 0
        span = undisturbed(service, place, chance)
        for number in range(kills):
            uploads = uploads_of(service.client, place.large, chance)
            part = number - 1 + random.Random(number).random()
            after = None if number == 0 else span * part / (kills - 1)
            with under_way(service.client, uploads):
                wait(after, uploads[-1])
                service.kill()
            cut += any(upload.status is None for upload in uploads)
            service.start()
            try:
                assert_recovered(service, place, uploads)
            except AssertionError as error:
                raise AssertionError(f"kill {number}, {after} s after the begin of the uploads") from error
    assert cut, "no kill met an upload: the test proves nothing"


def undisturbed(service: ServiceProcess, place: Place, chance: random.Random) -> float:
    """Seconds that uploads take which nobody kills."""
    uploads = uploads_of(service.client, place.large, chance)
    begin = time.monotonic()
    with under_way(service.client, uploads):
        pass
    span = time.monotonic() - begin
    assert [upload.status for upload in uploads] == [204] * len(uploads)
    assert_recovered(service, place, uploads)
    return span


def wait(after: float | None, upload: Upload) -> None:
    """So many seconds, or until all of the upload is sent: it is committed then."""
    if after is None:
        assert upload.sent.wait(PATIENCE)
    else:
        time.sleep(after)  # not to wait for anything: it is the random moment


@pytest.mark.long
@pytest.mark.parametrize("database_kind", KINDS[1:2], indirect=True)
def test_other_process_recovers_what_the_killed_one_left(tmp_path: Path, tables: str) -> None:
    place = Named(tmp_path)
    options = {**place.options(), "service": {"database": tables, "upload_lease": 1, "recovery_interval": 1}}
    doomed = ServiceProcess(tmp_path, options=options, environment=place.environment())
    with doomed, doomed.another() as other:
        uploads = uploads_of(other.client, place.large, random.Random(7))
        held = Upload(doomed.client.create(), b"again", "fast", chunked=False)
        with doomed.client.begin_upload(held.image_id, length=None) as open_upload, under_way(doomed.client, uploads):
            open_upload.send(b"half")
            doomed.kill()
        until(lambda: "saving" not in statuses(other.client, [held, *uploads]))
        until(lambda: len(place.names()) == statuses(other.client, [held, *uploads]).count("active"))
        for upload in (held, *uploads):
            if other.client.show(upload.image_id)["status"] == "queued":
                assert other.client.upload(upload.image_id, upload.body).status == 204
            assert other.client.download(upload.image_id).body == upload.body
            assert other.client.delete(upload.image_id).status == 204
        until(lambda: not place.names())
        doomed.start()


def statuses(client: Client, uploads: Sequence[Upload]) -> list[str]:
    return [client.show(upload.image_id)["status"] for upload in uploads]
