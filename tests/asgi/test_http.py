"""The ASGI adapter over real HTTP, on uvicorn; what depends on its parser runs on each of them."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator

import pytest

from imgstore.model import MIB
from tests.asgi.calling import app
from tests.asgi.conftest import Running
from tests.asgi.serving import PARSERS, Serving
from tests.http.house import House, path
from tests.http.test_adapters import REFUSED
from tests.support.client import OCTETS, first_line, read_answer

DATA = os.urandom(3 * MIB + 7)
PATIENCE = 60.0

AMBIGUOUS = {"Content-Length and chunked", "Content-Length"}
"""What uvicorn refuses by itself, or takes another way, before the application."""

each_parser = pytest.mark.parametrize("running", PARSERS, indirect=True)


def pieces(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    """`data` in pieces, so that it is sent chunked."""
    return (data[at : at + size] for at in range(0, len(data), size))


@each_parser
def test_image_comes_out_as_it_went_in(running: Running) -> None:
    for body, content in ((b"", b""), (iter(()), b""), (DATA, DATA), (pieces(DATA), DATA)):
        image_id, length = running.house.image(), str(len(content))
        assert running.client.upload(image_id, body).status == 204
        whole, head = (running.client.request(method, path(image_id)) for method in ("GET", "HEAD"))
        assert (whole.status, whole.body == content, whole.headers["content-length"]) == (200, True, length)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", length)
    part = running.client.download(image_id, Range="bytes=1000000-1999999")
    assert (part.status, part.body == DATA[1_000_000:2_000_000]) == (206, True)
    assert part.headers["content-range"] == f"bytes 1000000-1999999/{len(DATA)}"


@each_parser
def test_one_connection_serves_several_requests(running: Running) -> None:
    image_id = running.house.image()
    connection = http.client.HTTPConnection(*running.client.address, timeout=PATIENCE)
    for method, body, status in [("GET", None, 204), ("PUT", DATA, 204), ("GET", None, 200), ("HEAD", None, 200)]:
        connection.request(method, path(image_id), body=body, headers=OCTETS)
        answer = connection.getresponse()
        assert (answer.status, answer.read() == (DATA if status == 200 and method == "GET" else b"")) == (status, True)
    connection.close()


@each_parser
def test_refuse_early_a_doomed_upload_sends_no_body(running: Running, subtests: pytest.Subtests) -> None:
    rows = {name: row for name, row in REFUSED.items() if name not in {*AMBIGUOUS, "over quota", "no media type"}}
    rows |= {"too large": ({"content_length": str(8 * MIB + 1)}, 413), "absurd": ({"content_length": "9" * 12}, 413)}
    for name, (headers, status) in rows.items():
        sent = {**OCTETS, "Content-Length": "10", "Expect": "100-continue"}
        sent |= {header.replace("_", "-").title(): value for header, value in headers.items()}
        image_id = running.house.image()
        with subtests.test(name), running.client.connect("PUT", path(image_id), sent) as connection:
            assert first_line(connection) == f"HTTP/1.1 {status}".encode()
            answer = read_answer(connection)
            assert (answer.headers["connection"], connection.recv(1)) == ("close", b"")
            assert (running.house.found(image_id).status, running.house.objects()) == ("queued", {})


@each_parser
@pytest.mark.parametrize("chunked", [False, True])
def test_client_that_does_not_wait_can_read_its_refusal(
    running: Running, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the buffers between the two hold; http.client sends all of it before it looks at the answer."""
    monkeypatch.setattr("imgstore.adapters.asgi.exchange.LINGER_SECONDS", PATIENCE)
    image_id, body = running.house.image(), bytes(32 * MIB)
    headers = {"X-Image-Meta-Store": "nope"}
    answer = running.client.upload(image_id, pieces(body, MIB) if chunked else body, headers=headers)
    assert (answer.status, b"nope" in answer.body) == (400, True)
    running.house.assert_refused_without_trace(image_id)


@each_parser
@pytest.mark.parametrize("broken", [b"zz\r\n", b"5\r\nabcdefgh\r\n", b"-1\r\n"])
def test_malformed_chunk_is_400_and_undone(running: Running, broken: bytes) -> None:
    """The answer is uvicorn's own; the application meets a client that has left."""
    image_id, headers = running.house.image(), {**OCTETS, "Transfer-Encoding": "chunked"}
    with running.client.connect("PUT", path(image_id), headers) as connection:
        connection.sendall(b"4\r\ngood\r\n" + broken)
        assert first_line(connection) == b"HTTP/1.1 400"
    running.await_end()
    running.house.assert_refused_without_trace(image_id)


@each_parser
def test_never_short_the_client_notices_a_download_that_breaks(running: Running) -> None:
    image_id = running.house.active(DATA, store="faulty")
    with (
        running.faulty.failing("read", TimeoutError(), after=2 * MIB),
        running.client.open_download(image_id) as download,
        pytest.raises(http.client.IncompleteRead) as caught,
    ):
        download.read()
    assert DATA.startswith(caught.value.partial)
    assert len(caught.value.partial) <= 2 * MIB
    assert running.faulty.all_closed(PATIENCE)


@each_parser
def test_client_that_leaves_a_download_returns_the_reader(running: Running) -> None:
    """It takes one byte of more than all buffers hold, so that the application waits for it."""
    image_id = running.house.active(bytes(8 * MIB), store="faulty")
    with running.client.open_download(image_id) as download:
        assert len(download.read(1)) == 1
        assert running.faulty.readers == 1
    assert running.faulty.all_closed(PATIENCE)


@pytest.mark.parametrize("parser", PARSERS)
def test_servers_root_path_is_respected(house: House, parser: str) -> None:
    image_id = house.active(b"x")
    with Serving(app(house), parser=parser, root_path="/image") as server:
        assert server.client.download(image_id).body == b"x"
        assert server.client.get(f"/v3/images/{image_id}/file").status == 404
