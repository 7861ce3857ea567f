"""Image data through the whole service: in and out, several at once, and deletions in between."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.client import OCTETS, Client, first_line, read_answer
from tests.support.service import ServiceProcess
from tests.support.waiting import until

DATA = os.urandom(3 * 1024 * 1024 + 7)


def pieces(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    """`data` in pieces, so that it is sent chunked."""
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize(("store", "chunked"), [("fast", True), ("slow", False)])
def test_image_comes_out_as_it_went_in(
    shared_service: ServiceProcess, client: Client, store: str, chunked: bool
) -> None:
    image_id = client.create()
    assert client.upload(image_id, pieces(DATA) if chunked else DATA, store=store).status == 204
    image, answer = client.show(image_id), client.download(image_id)
    assert answer.body == DATA
    assert (image["size"], image["stores"]) == (len(DATA), store)
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert image["checksum"] == answer.headers["content-md5"] == hashlib.md5(DATA).hexdigest()
    assert (shared_service.stores[store] / image_id).read_bytes() == DATA


def test_empty_image_is_an_image(client: Client) -> None:
    for body in (b"", iter(())):
        image_id = client.create()
        assert client.upload(image_id, body).status == 204
        assert client.show(image_id)["size"] == 0
        assert (client.download(image_id).status, client.download(image_id).body) == (200, b"")


def test_part_and_head_of_an_image_are_read(client: Client) -> None:
    image_id = client.create()
    client.upload(image_id, DATA)
    answer = client.download(image_id, Range="bytes=1000000-1999999")
    assert (answer.status, answer.body) == (206, DATA[1_000_000:2_000_000])
    assert answer.headers["content-range"] == f"bytes 1000000-1999999/{len(DATA)}"
    head = client.request("HEAD", f"/v2/images/{image_id}/file")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(DATA)))


def test_doomed_upload_is_refused_before_its_body(client: Client) -> None:
    image_id = client.create()
    headers = {**OCTETS, "Content-Length": str(1 << 40), "Expect": "100-continue", "X-Image-Meta-Store": "nowhere"}
    with client.connect("PUT", f"/v2/images/{image_id}/file", headers) as connection:
        assert first_line(connection) == b"HTTP/1.1 400"
        answer = read_answer(connection)
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert "nowhere" in answer.body.decode()


def test_undone_upload_that_breaks_leaves_nothing_and_is_tried_again(
    shared_service: ServiceProcess, client: Client
) -> None:
    for length in (None, 1000):
        image_id = client.create()
        with client.begin_upload(image_id, length=length) as upload:
            assert client.show(image_id)["status"] == "saving"
            upload.send(b"some")
            assert upload.end_side().status == 400
        assert client.show(image_id)["status"] == "queued"
        assert not [key for key in shared_service.objects() if key.startswith(image_id)]
        assert client.upload(image_id, DATA).status == 204
        assert client.download(image_id).body == DATA


def test_eight_images_at_once(client: Client) -> None:
    images = {client.create(): os.urandom(200_000 + number) for number in range(8)}
    stores = ("fast", "slow")
    barrier = threading.Barrier(len(images))

    def upload(numbered: tuple[int, tuple[str, bytes]]) -> int:
        number, (image_id, data) = numbered
        barrier.wait()
        return client.upload(image_id, pieces(data, 10_000), store=stores[number % 2]).status

    with ThreadPoolExecutor(len(images)) as pool:
        assert set(pool.map(upload, enumerate(images.items()))) == {204}
    assert {image_id: client.download(image_id).body for image_id in images} == images


def test_only_the_owner_acts_on_an_image_under_upload(client: Client) -> None:
    image_id = client.create()
    with client.begin_upload(image_id, length=4) as first:
        assert client.upload(image_id, b"evil").status == 409
        first.send(b"good")
        assert first.finish().status == 204
    assert client.upload(image_id, b"evil").status == 409
    assert client.download(image_id).body == b"good"


def test_one_of_many_uploads_of_an_image_wins(client: Client) -> None:
    image_id, barrier = client.create(), threading.Barrier(6)

    def upload(number: int) -> int:
        barrier.wait()
        return client.upload(image_id, bytes([number]) * 1000).status

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(upload, range(6)))
    assert sorted(statuses) == [204, 409, 409, 409, 409, 409]
    assert client.download(image_id).body == bytes([statuses.index(204)]) * 1000


def test_deletion_during_an_upload_ends_it_with_410(shared_service: ServiceProcess, client: Client) -> None:
    for length in (None, 8):
        image_id = client.create()
        with client.begin_upload(image_id, length=length) as upload:
            upload.send(b"half")
            assert client.delete(image_id).status == 204
            upload.send(b"more")
            assert upload.finish().status == 410
        assert shared_service.catalog.status(image_id) == "deleted"
        assert not [key for key in shared_service.objects() if key.startswith(image_id)]
    until(lambda: not (shared_service.leftovers() or shared_service.catalog.uploads()))


def test_deletion_during_a_download_leaves_it_whole(client: Client) -> None:
    image_id = client.create()
    client.upload(image_id, DATA)
    with client.open_download(image_id) as download:
        first = download.read(1)
        assert client.delete(image_id).status == 204
        assert first + download.read() == DATA
