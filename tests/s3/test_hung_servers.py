"""A server that stalls, drips or never answers harms nobody for long (contained): counts and order, not seconds.

Where a driver waits an hour for a byte, a test that ends shows that nothing waited for the server.
"""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.driver import background, multipart
from imgstore.drivers.memory import MemoryDriver
from imgstore.drivers.s3 import S3Driver
from imgstore.model import MIB, Location, StoredImage
from imgstore.store import Store, StoreSet
from imgstore.transfers.download import DownloadService
from tests.core.world import helpers
from tests.s3.hung import COMPLETED, Answer, HungServer, Request, ends, part, upload
from tests.s3.support import KEY, PART, body
from tests.support.certificates import write_certificate
from tests.support.waiting import until

DATA = body(4 * PART)


@pytest.fixture(autouse=True)
def _a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not undone in it goes on by itself."""
    monkeypatch.setattr(background, "MOMENT", 0.2)
    monkeypatch.setattr(multipart, "GRACE", 0.1)


class Source:
    """An image in S3, and in memory if there is a second location."""

    def __init__(self, first: S3Driver, *, second: bool) -> None:
        memory = MemoryDriver()
        with memory.open_writer(KEY) as writer:
            writer.write(DATA)
            writer.commit()
        stores = [Store("s3", first, weight=2), Store("memory", memory)]
        names = ["s3", "memory"] if second else ["s3"]
        self.image = StoredImage(
            KEY, "active", size=len(DATA), locations=[Location(name, KEY, f"x:{KEY}") for name in names]
        )
        self.service = DownloadService(StoreSet(stores, default="s3"), source=self)

    def find(self, image_id: str, context: object = None) -> StoredImage:
        return self.image

    def read(self) -> bytes:
        with self.service.open(self.image) as download:
            return b"".join(download)


def stalls_at_once(request: Request) -> None:
    request.hang()


def stalls_in_the_body(request: Request) -> None:
    request.range_of(DATA, sent=1000)
    request.hang()


def drips(request: Request) -> None:
    request.range_of(DATA, sent=1000)
    request.drip()


def drips_its_head(request: Request) -> None:
    request.connection.sendall(b"HTTP/1.1 206 ")
    request.drip()


def refuses(request: Request) -> None:
    request.answer(status="503 Slow Down")


def breaks_and_refuses(request: Request) -> None:
    if not request.headers["range"].startswith("bytes=0-"):
        refuses(request)
        return
    request.range_of(DATA, sent=1000)
    request.connection.shutdown(socket.SHUT_RDWR)


# Two ranges are asked for at a time where the first one came whole.
LEFT = [
    (stalls_at_once, 1), (stalls_in_the_body, 1), (drips, 1), (drips_its_head, 1), (refuses, 2),
    (breaks_and_refuses, 2),
]  # fmt: skip


@pytest.mark.parametrize("ahead", [1, 2])
@pytest.mark.parametrize(("answer", "tries"), LEFT, ids=lambda each: getattr(each, "__name__", ""))
def test_another_location_is_begun_after_one_timeout_and_two_tries_at_most(
    answer: Answer, tries: int, ahead: int
) -> None:
    with HungServer.answering(answer) as server:
        driver = server.driver(read_timeout=0.3, read_concurrency=ahead)
        assert Source(driver, second=True).read() == DATA
        if ahead == 1 or answer in (stalls_at_once, drips_its_head, refuses):
            assert server.count("GET") == tries
        assert server.count("GET") <= tries + 2 * ahead


def test_a_location_that_stalls_later_is_left_as_soon() -> None:
    """The first block came; each of those that were fetched ahead is tried once."""
    first = threading.Event()

    def answer(request: Request) -> None:
        if first.is_set():
            request.hang()
        first.set()
        request.range_of(DATA)

    with HungServer.answering(answer) as server:
        assert Source(server.driver(read_timeout=0.3, read_concurrency=2), second=True).read() == DATA
        assert server.count("GET") == 1 + 2


def test_the_only_location_is_tried_for_longer_on_one_floor() -> None:
    with HungServer.answering(refuses) as server:
        assert isinstance(ends(Source(server.driver(max_attempts=4), second=False).read), errors.StoreUnavailable)
        assert server.count("GET") == 4


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_close_waits_for_no_server(tmp_path: Path, scheme: str) -> None:

    def answer(request: Request) -> None:
        if request.headers["range"].startswith("bytes=0-"):
            request.range_of(DATA)
        else:
            request.hang()

    tls = write_certificate(tmp_path) if scheme == "https" else None
    with HungServer.answering(answer, tls=tls) as server:
        reader = server.driver(read_concurrency=2).open_reader(KEY)
        assert reader.read(10) == DATA[:10]
        until(lambda: server.count("GET") == 1 + 2)
        assert ends(reader.close) is None
        assert helpers("read") == []
        assert server.count("GET") == 1 + 2


def test_an_abort_waits_for_no_server_and_its_undo_is_not_lost() -> None:
    hung, healthy = threading.Event(), threading.Event()

    def answer(request: Request) -> None:
        if upload(request):
            return
        hung.set()
        if request.method == "PUT":
            request.hang()
            return
        healthy.wait(60)
        request.answer(status="204 No Content" if request.method == "DELETE" else "404 Not Found")

    with HungServer.answering(answer) as server:
        writer = server.driver().open_writer(KEY)
        writer.write(DATA)
        assert hung.wait(60)
        assert isinstance(ends(writer.abort), errors.StoreUnavailable)
        assert writer.left_behind
        until(lambda: server.count("DELETE"))
        parts = server.count("PUT")
        healthy.set()
        until(lambda: helpers("undo") == [] == helpers("part"))
        assert server.count("PUT") == parts, "nothing is tried again"
        assert [each for each in server.requests if each.startswith("DELETE")] == ["DELETE uploadId=u"]


def test_after_one_part_has_failed_others_are_answered_but_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is aborted while a part is in flight."""
    monkeypatch.setattr(multipart, "GRACE", 60.0)
    monkeypatch.setattr(background, "MOMENT", 60.0)
    failed, taken = threading.Event(), threading.Event()

    def answer(request: Request) -> None:
        if upload(request):
            return
        if "partNumber=2" in request.query:
            taken.wait(60)
            request.answer(status="403 Forbidden")
        elif request.method == "PUT":
            taken.set()
            failed.wait(60)
            time.sleep(0.2)
            server.requests.append("answered")
            request.answer(status="503 Slow Down")
        else:
            request.answer(status="404 Not Found")

    with HungServer.answering(answer) as server:
        writer = server.driver(concurrency=2, max_attempts=20).open_writer(KEY)
        assert isinstance(writer, multipart.MultipartWriter)

        def put() -> None:
            writer.write(DATA[: 2 * PART + 1])
            until(lambda: writer.stopping)
            failed.set()
            writer.commit()

        assert isinstance(ends(put), errors.StoreUnavailable)
        assert server.count("PUT") == 2
        assert [each.split()[0] for each in server.requests if "PUT" not in each][:3] == ["POST", "answered", "DELETE"]


def test_a_server_that_is_slow_to_take_a_body_has_the_time_for_an_answer() -> None:
    """And not that for a connection."""
    with HungServer.answering(part, slow=0.8) as server:
        driver = server.driver(connect_timeout=0.3, part_size=32 * MIB, max_attempts=2)
        with driver.open_writer(KEY) as writer:
            writer.write(bytes(24 * MIB))
            writer.commit()
        assert server.requests == ["PUT"]


def test_a_server_that_takes_no_byte_of_a_body_is_left() -> None:
    with HungServer.answering(part, slow=3600) as server:
        writer = server.driver(read_timeout=0.3, part_size=32 * MIB, max_attempts=1).open_writer(KEY)
        writer.write(bytes(24 * MIB))
        assert isinstance(ends(writer.commit), errors.StoreUnavailable)


def test_a_server_that_sends_blanks_while_it_works_is_waited_for() -> None:
    def answer(request: Request) -> None:
        if request.method == "PUT":
            part(request)
        elif request.query.startswith("uploads"):
            upload(request)
        else:
            request.connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            for _ in range(10):
                request.connection.sendall(b" ")
                time.sleep(0.2)
            request.connection.sendall(COMPLETED)
            request.connection.shutdown(socket.SHUT_RDWR)

    with HungServer.answering(answer) as server:
        driver = server.driver(read_timeout=1.0, max_attempts=1)
        with driver.open_writer(KEY) as writer:
            writer.write(DATA)
            writer.commit()
