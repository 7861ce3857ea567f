"""SIGKILL of the service at random moments of uploads: after the next start everything is whole, and nothing is left.

Each kill hits several uploads, small and large, of known and of unknown length. Where the database is shared, another
process of the service recovers what was left, while it serves.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imgstore.sql import Database, upgrade
from tests.crash.places import Named, Place
from tests.support.client import Client
from tests.support.service import STORES, ServiceProcess

KILLS = {"filesystem": 25, "named": 25, "s3": 25, "swift": 25}
"""By kind of storage: a hundred in all."""
PATIENCE = 60.0


@dataclass
class Upload:
    """One image, what is sent as its data, and what the client was told (None: nothing)."""

    image_id: str
    body: bytes
    store: str
    chunked: bool
    status: int | None = field(default=None)

    def send(self, client: Client) -> None:
        """Uploads; a service that dies is no surprise."""
        pieces = (self.body[start : start + 65536] for start in range(0, len(self.body), 65536))
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.status = client.upload(self.image_id, pieces if self.chunked else self.body, store=self.store).status


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


@pytest.fixture(params=list(KILLS))
def storage(request: pytest.FixtureRequest) -> str:
    """Which kind of storage the stores are on."""
    return str(request.param)


def assert_recovered(service: ServiceProcess, place: Place, uploads: Sequence[Upload]) -> None:
    """No image in saving, nothing pending, nothing in the stores but the data of active images, which is whole."""
    catalog, client = service.catalog, service.client
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


def test_law_3_service_killed_at_random_moments_leaves_nothing(tmp_path: Path, place: Place, storage: str) -> None:
    with ServiceProcess(tmp_path, options=place.options(), environment=place.environment()) as service:
        chance = random.Random(7)
        undisturbed = uploads_of(service.client, place.large, chance)
        begin = time.monotonic()
        with under_way(service.client, undisturbed):
            pass
        span = time.monotonic() - begin
        assert [upload.status for upload in undisturbed] == [204] * len(undisturbed)
        assert_recovered(service, place, undisturbed)
        for number in range(KILLS[storage]):
            uploads = uploads_of(service.client, place.large, chance)
            after = random.Random(number).uniform(0, span)
            with under_way(service.client, uploads):
                time.sleep(after)  # not to wait for anything: it is the random moment
                service.kill()
            service.start()
            try:
                assert_recovered(service, place, uploads)
            except AssertionError as error:
                raise AssertionError(f"kill {number}, {after} s after the begin of the uploads") from error


def test_law_3_other_process_recovers_what_the_killed_one_left_while_it_serves(
    tmp_path: Path, database_url: str
) -> None:
    database = Database(database_url)
    upgrade(database)
    database.close()
    place = Named(tmp_path)
    options = {
        **place.options(), "service": {"database": database_url, "upload_lease": 1, "recovery_interval": 1},
    }  # fmt: skip
    doomed = ServiceProcess(tmp_path, options=options, environment=place.environment())
    with doomed, doomed.another() as other:
        for number in range(3):
            uploads = uploads_of(other.client, place.large, random.Random(number))
            held = doomed.client.create()
            with doomed.client.begin_upload(held, length=None) as open_upload, under_way(doomed.client, uploads):
                open_upload.send(b"half")
                doomed.kill()
            images = [held, *(upload.image_id for upload in uploads)]
            eventually(lambda images=images: "saving" not in statuses(other.client, images))  # type: ignore[misc]  # called at once
            eventually(lambda images=images: len(place.names()) == statuses(other.client, images).count("active"))  # type: ignore[misc]  # the same
            for upload in (*uploads, Upload(held, b"again", "fast", chunked=False)):
                if other.client.show(upload.image_id)["status"] == "queued":
                    assert other.client.upload(upload.image_id, upload.body).status == 204
                assert other.client.download(upload.image_id).body == upload.body
                assert other.client.delete(upload.image_id).status == 204
            eventually(lambda: not place.names())
            doomed.start()


def statuses(client: Client, images: Sequence[str]) -> list[str]:
    return [client.show(image_id)["status"] for image_id in images]


def eventually(true: Callable[[], bool]) -> None:
    """Returns when it is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.05)
