"""Undone: clients that leave at random moments, and a server that stops, leave nothing; the next try succeeds."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.asgi.calling import app
from tests.asgi.serving import PARSERS, Serving
from tests.http.house import House
from tests.support.client import OCTETS, TIMEOUT, Client

UPLOADS = 40
SEED = 20240229
CLIENTS = 8


class World(House):
    """A house that knows what this process holds: threads and descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.app = app(self)
        self._held = self._holding()

    def statuses(self, images: list[str]) -> set[str]:
        """The statuses that these images have."""
        return {self.found(image_id).status for image_id in images}

    def assert_nothing_left(self) -> None:
        """No object, no quota used or held, no thread and no descriptor more than at the start."""
        account = self.quota.account("project")
        assert self.objects() == {}
        assert (account.used, account.held) == (0, 0)
        assert all(now <= then for now, then in zip(self._holding(), self._held, strict=True)), threading.enumerate()

    def _holding(self) -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))


def request_of(client: Client, image_id: str, body: bytes, *, chunked: bool) -> tuple[bytes, int]:
    """A PUT as its bytes, and how many of them are the head."""
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: here\r\nContent-Type: {OCTETS['Content-Type']}\r\n"
    sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _pieces(body)) + b"0\r\n\r\n"
    start = f"{head}{framing}\r\n\r\n".encode()
    return start + (sent if chunked else body), len(start)


def _pieces(body: bytes) -> list[bytes]:
    return [body[at : at + 10_000] for at in range(0, len(body), 10_000)]


def leave(client: Client, image_id: str, chance: random.Random) -> None:
    """Breaks off somewhere: with a reset, or by ending its side and waiting for what the server makes of it."""
    body = chance.randbytes(chance.choice([1, 1000, 100_000, 1_000_000]))
    request, head = request_of(client, image_id, body, chunked=chance.random() < 0.5)
    cut = chance.randrange(head, len(request)) if chance.random() < 0.9 else chance.randrange(head)
    with socket.create_connection(client.address, timeout=TIMEOUT) as connection:
        connection.sendall(request[:cut])
        if chance.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.shutdown(socket.SHUT_WR)
            assert not connection.recv(1000).startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize("parser", PARSERS)
def test_clients_that_leave_at_random_moments_leave_nothing(parser: str) -> None:
    world = World()
    images = [world.image() for _ in range(UPLOADS)]
    with Serving(world.app, parser=parser) as server, ThreadPoolExecutor(CLIENTS) as clients:
        chances = [random.Random(SEED + number) for number in range(UPLOADS)]
        list(clients.map(lambda each: leave(server.client, *each), zip(images, chances, strict=True)))
    assert world.statuses(images) == {"queued"}
    world.assert_nothing_left()
    with Serving(world.app) as server:
        assert {server.client.upload(image_id, b"good").status for image_id in images} == {204}
    assert world.quota.account("project").used == UPLOADS * len(b"good")
    begun = [image_id for image_id in images if world.found(image_id).locations[0].key != image_id]
    assert len(begun) > UPLOADS // 2, "too few of the uploads had begun when their clients left"


@pytest.mark.parametrize("parser", PARSERS)
def test_a_server_that_stops_undoes_what_does_not_end_in_time(parser: str) -> None:
    world = World()
    images = [world.image() for _ in range(10)]
    with Serving(world.app, parser=parser, grace=0) as server:
        lengths = [None, 1_000_000] * 5
        uploads = [server.client.begin_upload(i, length=n) for i, n in zip(images, lengths, strict=True)]
        for upload in uploads:
            upload.send(bytes(100_000))
        assert world.statuses(images) == {"saving"}
    assert [upload.answer().status for upload in uploads] == [500] * len(uploads)
    assert world.statuses(images) == {"queued"}
    del uploads
    world.assert_nothing_left()


@pytest.mark.parametrize("parser", PARSERS)
def test_a_server_that_stops_lets_uploads_end_in_time(parser: str) -> None:
    world = World()
    images = [world.image() for _ in range(10)]
    with Serving(world.app, parser=parser) as server, ThreadPoolExecutor(1) as stopper:
        uploads = [server.client.begin_upload(image_id, length=4) for image_id in images]
        stopped = stopper.submit(server.stop)
        for upload in uploads:
            upload.send(b"good")
        assert {upload.finish().status for upload in uploads} == {204}
        stopped.result()
    assert world.statuses(images) == {"active"}
