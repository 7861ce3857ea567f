"""The ASGI adapter over real HTTP, on uvicorn with each of its parsers."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator

import pytest

from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.transfers.upload import UploadSettings
from tests.asgi.calling import app
from tests.asgi.serving import PARSERS, serving
from tests.http.faulty import FaultyDriver
from tests.http.house import House
from tests.http.test_wsgi import REFUSED
from tests.support.client import OCTETS, Client, first_line, read_answer

DATA = os.urandom(3 * MIB + 7)
PATIENCE = 60.0

AMBIGUOUS = {"Content-Length and chunked", "Content-Length"}
"""What uvicorn refuses by itself, or takes another way, before the application."""


class Running:
    """A house behind a server."""

    def __init__(self, house: House, client: Client) -> None:
        self.house, self.client = house, client


@pytest.fixture(params=PARSERS)
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Limits: images of 8 MiB, a quota of 12 MiB."""
    house = House(quota=12 * MIB, settings=UploadSettings(max_image_size=8 * MIB), faulty=FaultyDriver(MemoryDriver()))
    with serving(app(house), parser=request.param) as server:
        yield Running(house, server.client)


@pytest.fixture
def faulty(running: Running) -> FaultyDriver:
    """The store `faulty`."""
    driver = running.house.stores.resolve("faulty").driver
    assert isinstance(driver, FaultyDriver)
    return driver


def pieces(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    """`data` in pieces, so that it is sent chunked."""
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("chunked", [False, True])
def test_an_image_comes_out_as_it_went_in(running: Running, chunked: bool) -> None:
    image_id = running.house.image()
    assert running.client.upload(image_id, pieces(DATA) if chunked else DATA).status == 204
    whole = running.client.download(image_id)
    assert (whole.status, whole.body == DATA, whole.headers["content-length"]) == (200, True, str(len(DATA)))
    part = running.client.download(image_id, Range="bytes=1000000-1999999")
    assert (part.status, part.body == DATA[1_000_000:2_000_000]) == (206, True)
    assert part.headers["content-range"] == f"bytes 1000000-1999999/{len(DATA)}"
    head = running.client.request("HEAD", f"/v2/images/{image_id}/file")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(DATA)))


@pytest.mark.parametrize("chunked", [False, True])
def test_an_empty_image_is_an_image(running: Running, chunked: bool) -> None:
    image_id = running.house.image()
    assert running.client.upload(image_id, iter(()) if chunked else b"").status == 204
    answer = running.client.download(image_id)
    assert (answer.status, answer.body) == (200, b"")


def test_one_connection_serves_several_requests(running: Running) -> None:
    image_id = running.house.image()
    connection = http.client.HTTPConnection(*running.client.address, timeout=PATIENCE)
    for method, body, status in [("GET", None, 204), ("PUT", DATA, 204), ("GET", None, 200), ("HEAD", None, 200)]:
        connection.request(method, f"/v2/images/{image_id}/file", body=body, headers=OCTETS)
        answer = connection.getresponse()
        assert (answer.status, answer.read() == (DATA if status == 200 and method == "GET" else b"")) == (status, True)
    connection.close()


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - AMBIGUOUS - {"too large", "over quota", "no media type"}))
def test_law_5_a_doomed_upload_is_refused_before_its_body(running: Running, name: str) -> None:
    headers, status = REFUSED[name]
    sent = {**OCTETS, "Content-Length": "10", "Expect": "100-continue"}
    sent |= {header.replace("_", "-").title(): value for header, value in headers.items()}
    image_id = running.house.image()
    with running.client.connect("PUT", f"/v2/images/{image_id}/file", sent) as connection:
        assert first_line(connection) == f"HTTP/1.1 {status}".encode()
        answer = read_answer(connection)
        assert connection.recv(1) == b""
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    running.house.assert_refused_without_trace(image_id)


@pytest.mark.parametrize("size", [8 * MIB + 1, 1 << 40])
def test_law_5_a_size_that_is_too_large_is_refused_before_the_body(running: Running, size: int) -> None:
    headers = {**OCTETS, "Content-Length": str(size), "Expect": "100-continue"}
    with running.client.connect("PUT", f"/v2/images/{running.house.image()}/file", headers) as connection:
        assert first_line(connection) == b"HTTP/1.1 413"


def test_a_body_that_is_asked_for_is_announced_with_100(running: Running) -> None:
    image_id = running.house.image()
    with running.client.begin_upload(image_id, length=4) as upload:
        assert running.house.found(image_id).status == "saving"
        upload.send(b"good")
        assert upload.finish().status == 204
    assert running.client.download(image_id).body == b"good"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_does_not_wait_can_read_its_refusal(
    running: Running, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the buffers between the two hold; http.client sends all of it before it looks at the answer."""
    monkeypatch.setattr("imgstore.adapters.asgi.exchange.LINGER_SECONDS", PATIENCE)
    image_id, body = running.house.image(), bytes(32 * MIB)
    headers = {"X-Image-Meta-Store": "nope"}
    answer = running.client.upload(image_id, pieces(body, MIB) if chunked else body, headers=headers)
    assert (answer.status, b"nope" in answer.body) == (400, True)
    running.house.assert_refused_without_trace(image_id)


def test_law_2_the_byte_that_exceeds_the_limit_ends_a_chunked_upload(running: Running) -> None:
    good, bad = running.house.image(), running.house.image()
    assert running.client.upload(bad, pieces(bytes(8 * MIB + 1), MIB)).status == 413
    running.house.assert_refused_without_trace(bad)
    assert running.client.upload(good, pieces(bytes(8 * MIB), MIB)).status == 204


def test_a_store_that_fails_is_503_and_the_retry_succeeds(running: Running, faulty: FaultyDriver) -> None:
    image_id = running.house.image()
    for point in ("open for writing", "write", "commit"):
        with faulty.failing(point, TimeoutError()):
            answer = running.client.upload(image_id, DATA, store="faulty")
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert (running.house.found(image_id).status, running.house.objects()) == ("queued", {})
    assert running.client.upload(image_id, DATA, store="faulty").status == 204
    assert running.client.download(image_id).body == DATA


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("broken", [b"zz\r\n", b"5\r\nabcdefgh\r\n", b"-1\r\n"])
def test_a_malformed_chunk_is_400_and_leaves_nothing(parser: str, broken: bytes) -> None:
    """The answer is uvicorn's own; the application meets a client that has left."""
    house = House()
    image_id = house.image()
    with serving(app(house), parser=parser) as server:
        headers = {**OCTETS, "Transfer-Encoding": "chunked"}
        with server.client.connect("PUT", f"/v2/images/{image_id}/file", headers) as connection:
            connection.sendall(b"4\r\ngood\r\n" + broken)
            assert first_line(connection) == b"HTTP/1.1 400"
    house.assert_refused_without_trace(image_id)


def test_law_9_a_download_that_breaks_in_the_middle_is_noticed(running: Running, faulty: FaultyDriver) -> None:
    image_id = running.house.active(DATA, store="faulty")
    with (
        faulty.failing("read", TimeoutError(), after=2 * MIB),
        running.client.open_download(image_id) as download,
        pytest.raises(http.client.IncompleteRead) as caught,
    ):
        download.read()
    assert DATA.startswith(caught.value.partial)
    assert len(caught.value.partial) <= 2 * MIB
    assert faulty.all_closed(PATIENCE)


def test_a_client_that_leaves_in_the_middle_of_a_download_returns_the_reader(
    running: Running, faulty: FaultyDriver
) -> None:
    """It takes one byte of more than all buffers hold, so that the application waits for it."""
    image_id = running.house.active(bytes(8 * MIB), store="faulty")
    with running.client.open_download(image_id) as download:
        assert len(download.read(1)) == 1
        assert faulty.readers == 1
    assert faulty.all_closed(PATIENCE)


@pytest.mark.parametrize("parser", PARSERS)
def test_the_servers_root_path_is_respected(parser: str) -> None:
    house = House()
    image_id = house.active(b"x")
    with serving(app(house), parser=parser, root_path="/image") as server:
        assert server.client.download(image_id).body == b"x"
        assert server.client.get(f"/v3/images/{image_id}/file").status == 404
