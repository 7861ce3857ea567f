"""What the server promises the application below it: a body ends where the client ended it, or reading it raises."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from imgstore.bulkhead import ASKED_AT
from imgstore.file_spans import SENDS_FILES, FileSpan
from imgstore.model import MIB
from imgstore.service.server.server import Server
from tests.support.client import Answer, first_line, read_answer
from tests.support.waiting import until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

WHERE = ("wsgi.url_scheme", "HTTP_HOST", "PATH_INFO", "QUERY_STRING")
CHUNKED = "Transfer-Encoding: chunked"
READ_TIMEOUT = 30.0


@dataclass
class Probe:
    """Answers with the body that it read; `/refuse` reads nothing, `/fail` breaks in the middle of its answer, `/span`
    answers with `span`, and with zeros for what of it could not be sent."""

    failures: list[str] = field(default_factory=list)
    calls: int = 0
    span: FileSpan = field(default_factory=lambda: FileSpan(-1, 0, 0))
    closed: bool = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.calls += 1
        if environ["PATH_INFO"] == "/refuse":
            start_response("403 Forbidden", [("Content-Length", "2")])
            return [b"no"]
        if environ["PATH_INFO"] == "/asked":
            start_response("200 OK", [])
            return [repr(environ[ASKED_AT]).encode()]
        if environ["PATH_INFO"] == "/where":
            start_response("200 OK", [])
            return ["|".join(environ[name] for name in WHERE).encode()]
        if environ["PATH_INFO"] == "/short":
            start_response("200 OK", [("Content-Length", "9")])
            return [b"short"]
        if environ["PATH_INFO"] == "/fail":
            return self._fail(start_response)
        if environ["PATH_INFO"] == "/span":
            assert environ[SENDS_FILES]
            start_response("200 OK", [("Content-Length", str(self.span.size))])
            return cast("Iterable[bytes]", self._spans())
        body = self._read(environ)
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def _read(self, environ: WSGIEnvironment) -> bytes:
        body = b""
        try:
            while data := environ["wsgi.input"].read(3):
                body += data
        except (OSError, ValueError) as error:
            self.failures.append(type(error).__name__)
            raise
        return body

    def _spans(self) -> Iterator[bytes | FileSpan]:
        try:
            yield self.span
            yield bytes(self.span.size - self.span.sent)
        finally:
            self.closed = True

    def _fail(self, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        raise ConnectionAbortedError(103, "broken")


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def server(probe: Probe) -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), probe, threads=3, read_timeout=READ_TIMEOUT, grace=READ_TIMEOUT)
    running.prepare()
    thread = threading.Thread(target=running.serve)
    thread.start()
    yield running
    running.stop()
    thread.join()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(server.bind_addr[:2], timeout=30)


def request(*headers: str, path: str = "/") -> bytes:
    return "\r\n".join([f"PUT {path} HTTP/1.1", "Host: test", *headers, "", ""]).encode()


def exchange(server: Server, sent: bytes, *, end: bool = False) -> Answer:
    """The answer to raw bytes; `end`: the client then ends its side."""
    with connect(server) as connection:
        connection.sendall(sent)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return read_answer(connection)


WHOLE = (
    ("Content-Length: 8", b"all of i"),
    (CHUNKED, b"4\r\nall \r\n4\r\nof i\r\n0\r\n\r\n"),
    (CHUNKED, b"4;name=value\r\nall \r\n004 \r\nof i\r\n0\r\nTrailer: x\r\n\r\n"),
    (CHUNKED, b"".join(b"1\r\n%c\r\n" % byte for byte in b"all of i") + b"0\r\n\r\n"),
)


def test_whole_body_is_read_and_the_connection_goes_on(server: Server) -> None:
    for header, sent in WHOLE:
        with connect(server) as connection:
            for _ in range(2):
                connection.sendall(request(header) + sent)
                assert read_answer(connection).body == b"all of i"


EARLY = (b"8\r\nhalf", b"4\r\nhalf\r\n", b"4\r\nhalf\r\n0\r\n", b"")
MALFORMED = (
    b"x\r\n", b"-3\r\nabc\r\n", b"+3\r\nabc\r\n", b"0x3\r\nabc\r\n", b"1_0\r\n", b" 3\r\nabc\r\n", b"\r\n",
    b"3\r\nabcd\r\n", b"3\nabc\r\n", b"3\r\nabc\n0\r\n\r\n", b"f" * 16 + b"\r\n", b"3;" + b"x" * 5000 + b"\r\n",
    b"0\r\n" + b"T: x\r\n" * 5000,
)  # fmt: skip


def test_never_short_body_that_ends_early_raises(server: Server, probe: Probe) -> None:
    assert exchange(server, request("Content-Length: 8") + b"half", end=True).status == 400
    for sent in EARLY:
        assert exchange(server, request(CHUNKED) + sent, end=True).status == 400
    assert probe.failures == ["IncompleteBody"] * 5


def test_malformed_chunk_raises(server: Server, probe: Probe) -> None:
    for sent in MALFORMED:
        assert exchange(server, request(CHUNKED) + sent).status == 400, sent
    assert probe.failures == ["MalformedBody"] * len(MALFORMED)


AMBIGUOUS = (
    ("Content-Length: 3", CHUNKED), ("Content-Length: 3", "Content-Length: 4"),
    ("Content-Length: 3", "Content-Length: 3"), ("Content-Length: -3",), ("Content-Length: +3",),
    ("Content-Length: 3_0",), ("Bad Name: x",), ("Folded: x", " y"), ("No colon",), ("Host: test",), ("Host: other",),
)  # fmt: skip


def test_ambiguous_or_malformed_headers_never_reach_the_application(server: Server, probe: Probe) -> None:
    for headers in AMBIGUOUS:
        assert exchange(server, request(*headers) + b"abc").status == 400, headers
    assert probe.calls == 0


TARGETS = {
    "http://there:81/where?a=b": b"http|there:81|/where|a=b", "/where?a=b": b"http|test|/where|a=b",
    "HTTPS://there/where": b"http|there|/where|", "http://[::1]:8/where": b"http|[::1]:8|/where|",
}  # fmt: skip
NO_TARGETS = (
    "ftp://there/where",
    "http:/where",
    "http:///where",
    "//there/where",
    "http://u@there/where",
    "where",
    "http://a<b/where",
)
NO_HOSTS = ("", "Host: a/b\r\n", "Host: a b\r\n", "Host: u@a\r\n", "Host: a\r\nHost: a\r\n")


def test_target_may_be_absolute_and_its_host_counts(server: Server, probe: Probe) -> None:
    for target, expected in TARGETS.items():
        for method in ("GET", "OPTIONS"):
            sent = f"{method} {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
            assert exchange(server, sent).body == expected, target
    probe.calls = 0
    for target in NO_TARGETS:
        assert exchange(server, f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode()).status == 400, target
    for host in NO_HOSTS:
        for target in ("/where", "http://there/where"):
            assert exchange(server, f"GET {target} HTTP/1.1\r\n{host}\r\n".encode()).status == 400, host
    assert exchange(server, b"CONNECT there:80 HTTP/1.1\r\nHost: there:80\r\n\r\n").status == 405
    assert probe.calls == 0
    assert exchange(server, b"GET / HTTP/1.0\r\n\r\n").status == 200


def test_connection_is_closed_or_kept_in_any_spelling(server: Server) -> None:
    for version, option, expected in (
        ("1.1", "Close", "close"), ("1.1", "te, CLOSE", "close"), ("1.1", "keep-alive", None), ("1.1", "te", None),
        ("1.0", "KEEP-ALIVE", "Keep-Alive"), ("1.0", "keep-alive, close", None), ("1.0", "te", None),
    ):  # fmt: skip
        answer = exchange(server, f"GET / HTTP/{version}\r\nHost: test\r\nConnection: {option}\r\n\r\n".encode())
        assert answer.headers.get("connection") == expected, (version, option)


def test_unknown_coding_and_expectation_are_refused(server: Server, probe: Probe) -> None:
    assert exchange(server, request("Transfer-Encoding: gzip, chunked")).status == 501
    assert exchange(server, request("Expect: tea", "Content-Length: 3")).status == 417
    assert probe.calls == 0


def test_continue_is_sent_at_the_first_read_only(server: Server) -> None:
    headers = ("Expect: 100-continue", "Content-Length: 3")
    with connect(server) as connection:
        connection.sendall(request(*headers, path="/refuse"))
        assert first_line(connection) == b"HTTP/1.1 403"
        answer = read_answer(connection)
        assert (answer.status, answer.headers["connection"]) == (403, "close")
    with connect(server) as connection:
        connection.sendall(request(*headers))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert read_answer(connection).body == b"abc"


@pytest.mark.parametrize("headers", [["Content-Length: 33554432"], [CHUNKED]])
def test_refusal_can_be_read_by_a_client_that_sends_on(
    server: Server, headers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgstore.service.server.lingering.LINGER_SECONDS", READ_TIMEOUT)
    with connect(server) as connection:
        connection.sendall(request(*headers, path="/refuse"))
        for _ in range(32):
            connection.sendall(bytes(1 << 20))
        assert read_answer(connection).body == b"no"


def test_next_answer_is_never_taken_for_the_rest_of_a_short_one(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(request(path="/short") * 2)
        with pytest.raises(http.client.IncompleteRead):
            read_answer(connection)


def test_answer_that_breaks_is_not_ended_as_if_it_were_whole(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(request(path="/fail"))
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(1000):
                received += data
    assert b"5\r\nfirst\r\n" in received
    assert not received.endswith(b"0\r\n\r\n")


def test_a_request_has_come_when_its_head_was_whole_whatever_it_waits_for(server: Server) -> None:
    with contextlib.ExitStack() as connections:
        held = [connections.enter_context(connect(server)) for _ in range(3)]
        for each in held:
            each.sendall(request("Content-Length: 1"))
        until(lambda: server.threads() == (3, 3))
        began = time.monotonic()
        late = connections.enter_context(connect(server))
        late.sendall(request("Content-Length: 0", path="/asked"))
        until(lambda: server.requests.qsize == 1)
        waited = time.monotonic()
        for each in held:
            each.sendall(b"x")
        assert began <= float(read_answer(late).body) <= waited


def test_a_span_of_a_file_is_sent_as_far_as_the_file_goes(server: Server, probe: Probe, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(250)) * 40_000)
    with (tmp_path / "file").open("rb") as file:
        for size, sent in ((6_000_000, 6_000_000), (10_000_001, 9_999_990)):
            probe.span = FileSpan(file.fileno(), 10, size)
            with connect(server) as client:
                client.sendall(b"GET /span HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = read_answer(client)
                client.sendall(b"GET /asked HTTP/1.1\r\nHost: x\r\n\r\n")
                assert read_answer(client).status == 200
            assert probe.span.sent == len(probe.span) == sent
            assert answer.body == (bytes(range(250)) * 40_000)[10 : 10 + sent] + bytes(size - sent)


def test_a_client_that_takes_no_more_of_a_span_is_left(
    server: Server, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "timeout", 0.2)
    (tmp_path / "file").write_bytes(bytes(64 * MIB))
    with (tmp_path / "file").open("rb") as file, connect(server) as client:
        probe.span = FileSpan(file.fileno(), 0, 64 * MIB)
        client.sendall(b"GET /span HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: probe.closed)
        assert 0 < probe.span.sent < probe.span.size
