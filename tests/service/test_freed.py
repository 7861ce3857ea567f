"""Bounded memory: what a request took is freed when its connection ends, whatever became of it. Nothing is left to the
collector of garbage, which may come hours later."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.store import Store, StoreSet
from imgstore.transfers.begin import UploadSettings
from tests.support.client import Client
from tests.support.garbage import freed_at_once
from tests.support.service import LocalService
from tests.support.waiting import until

LARGEST, QUOTA = 3 * MIB, 4 * MIB
NOWHERE = "11111111-1111-1111-1111-111111111111"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """A client may be silent for half a second."""
    stores = StoreSet([Store(name, MemoryDriver()) for name in ("fast", "slow")], default="fast")
    made = LocalService(
        tmp_path_factory.mktemp("service"), stores,
        settings=UploadSettings(max_image_size=LARGEST), project_quota=QUOTA, body_timeout=0.5,
    )  # fmt: skip
    with made.running():
        yield made


def stored(client: Client, size: int) -> str:
    image = client.create()
    assert client.upload(image, bytes(size)).status == 204
    return image


def stored_and_read(client: Client) -> None:
    image = stored(client, 2 * MIB)
    assert client.download(image).status == 200
    assert client.download(image, Range="bytes=5-10").status == 206
    assert client.download(image, Range=f"bytes={LARGEST}-").status == 416
    assert client.upload(image, b"again").status == 409
    assert client.delete(image).status == 204


def described(client: Client) -> None:
    assert client.get("/v2/images").status == 200
    assert client.get("/healthcheck").status == 200
    assert client.get("/v2/images/none").status == 404
    assert client.download(NOWHERE).status == 404


def too_much(client: Client) -> None:
    assert client.upload(client.create(), iter([bytes(MIB)] * 4)).status == 413
    assert client.upload(client.create(), bytes(LARGEST + 1)).status == 413
    image = stored(client, LARGEST)
    assert client.upload(client.create(), bytes(LARGEST)).status == 413
    assert client.upload(client.create(), iter([bytes(MIB)] * 3)).status == 413
    assert client.delete(image).status == 204


def nonsense(client: Client) -> None:
    speak(client, b"GET / \r\n\r\n", answered=b"400")
    assert client.upload(client.create(), b"x", store="none").status == 400


def cut(client: Client) -> None:
    speak(client, put(client.create(), 100_000), answered=b"")


def stalled(client: Client) -> None:
    speak(client, put(client.create(), 10), answered=b"408")
    speak(client, b"GET / HTTP/1.1\r\nX-", answered=b"408")


def not_read(client: Client) -> None:
    image = stored(client, LARGEST)
    speak(client, f"GET /v2/images/{image}/file HTTP/1.1\r\nHost: x\r\n\r\n".encode(), answered=b"200")
    assert client.delete(image).status == 204


def put(image: str, sent: int) -> bytes:
    """An upload of which more is announced than comes."""
    head = f"PUT /v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
    return f"{head}Content-Length: {MIB}\r\n\r\n".encode() + bytes(sent)


def speak(client: Client, said: bytes, *, answered: bytes) -> None:
    """Says this and goes, after the beginning of an answer if there is to be one."""
    with socket.create_connection(client.address, timeout=30) as connection:
        connection.sendall(said)
        if answered:
            assert answered in connection.recv(100)


@pytest.mark.parametrize("happens", [stored_and_read, described, too_much, nonsense, cut, stalled, not_read])
def test_bounded_memory_what_a_request_took_is_freed(local: LocalService, happens: Callable[[Client], None]) -> None:
    with freed_at_once():
        happens(local.client)
        until(lambda: not len(local.server.open_connections) and not local.server.threads()[0])
