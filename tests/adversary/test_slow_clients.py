"""Clients that are slow on purpose: they hold no thread that others need, and no descriptor that a store needs."""

from __future__ import annotations

import contextlib
import itertools
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cheroot.makefile import MakeFile

from imgstore.http import pace
from imgstore.http.pace import LEAST_RATE, Pace
from imgstore.service.server import connections, heads, lingering
from imgstore.service.server.heads import Head, Progress
from imgstore.service.server.lanes import Lane, request_of
from imgstore.service.server.lingering import Lingering
from imgstore.service.server.server import Server
from imgstore.service.server.tls import tls_context
from tests.support.certificates import write_certificate
from tests.support.client import Client, read_answer
from tests.support.service import STORES, ServiceProcess
from tests.support.waiting import until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATIENCE = 30
PART = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Le"


class Time:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_asks_for_health_or_an_image_waits_for_no_transfer(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, options={"service": {"threads": 2}}) as service, contextlib.ExitStack() as held:
        client = service.client
        for store in STORES:
            held.enter_context(client.begin_upload(client.create(), length=10, store=store))
        for _ in range(40):
            slow = held.enter_context(socket.create_connection(client.address, PATIENCE))
            slow.sendall(b"GET /v2/images HTTP/1.1\r\nHo")
        for path in ("/healthcheck", "/metrics", "/v2/images"):
            assert client.get(path).status == 200, path


def test_a_rate_is_least_over_a_window_of_waits_only() -> None:
    clock = Time()
    for per_second, timely in ((LEAST_RATE - 1, False), (LEAST_RATE, True), (100_000, True)):
        looked_at, failed = Pace(60.0, clock=clock), False
        for _ in range(125):
            since, clock.now = clock.now, clock.now + 1
            try:
                looked_at.moved(per_second, since=since)
            except TimeoutError:
                failed = True
            clock.now += 1000  # the store takes its time
        assert failed is not timely, per_second


def test_a_fast_window_is_no_excuse_for_the_next() -> None:
    clock = Time()
    looked_at = Pace(60.0, clock=clock)
    clock.now = 60
    looked_at.moved(10**9, since=0)
    clock.now = 121
    with pytest.raises(TimeoutError):
        looked_at.moved(1, since=60)


def test_a_whole_has_an_end_whatever_moves() -> None:
    clock = Time()
    whole = Pace(60.0, whole=100.0, clock=clock)
    assert whole.longest() == 60
    clock.now = 90
    assert whole.longest() == 10
    clock.now = 100
    with pytest.raises(TimeoutError):
        whole.longest()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, ours


def test_a_deadline_is_of_the_whole_head(pair: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = pair
    clock = Time()
    head = Head(ours, MakeFile(ours, "rb"), idle=60.0, clock=clock)
    assert (head.advance(), head.deadline) == (Progress.WAITING, 60)
    for byte in PART:
        clock.now += 1
        theirs.send(bytes([byte]))
        assert (head.advance(), head.deadline) == (Progress.WAITING, 1 + heads.HEAD_SECONDS)
    theirs.send(b"ngth: 0\r\n\r\nGET")
    assert (head.advance(), head.seen) == (Progress.READABLE, PART + b"ngth: 0\r\n\r\nGET")


def test_lane_is_told_by_the_decoded_path() -> None:
    for line in (b"PUT /v2/images/1/%66ile?a=/b", b"PUT http://host:1/v2/images/1/file", b"\r\nPUT /v2/images/1/file"):
        assert request_of(line + b" HTTP/1.1\r\nHost: x") == ("PUT", "/v2/images/1/file")
    assert request_of(b"nonsense") == ("", "")


def read_and_answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/endless":
        start_response("200 OK", [])
        return itertools.repeat(bytes(1 << 16))
    while environ["wsgi.input"].read(1):
        pass
    start_response("204 No Content", [])
    return []


def refuse(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("403 Forbidden", [("Content-Length", "0")])
    return []


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def test_head_that_comes_too_slowly_is_refused_and_a_handshake_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.2)
    certificate, key = write_certificate(tmp_path)
    for tls, answer in ((None, b"HTTP/1.1 408"), (tls_context(str(certificate), str(key)), b"")):
        server = Server(("127.0.0.1", 0), read_and_answer, threads=1, read_timeout=60, grace=0, tls=tls)
        with serving(server), socket.create_connection(server.bind_addr[:2], PATIENCE) as slow:
            slow.sendall(PART if tls is None else b"\x16\x03\x01")
            assert slow.recv(12) == answer


def test_short_bodies_have_a_deadline_as_a_whole() -> None:
    lane = Lane("short", 1, lambda method, path: path == "/short")
    server = Server(("127.0.0.1", 0), read_and_answer, threads=1, read_timeout=1, grace=0, lanes=[lane])
    with serving(server), socket.create_connection(server.bind_addr[:2], PATIENCE) as slow:
        slow.sendall(b"PUT /short HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        slow.settimeout(0.1)
        assert dripped(slow) == b"HTTP/1.1 408"


def test_a_request_waits_for_a_thread_within_bounds(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    for tls in (None, tls_context(str(certificate), str(key))):
        server = Server(("127.0.0.1", 0), read_and_answer, threads=1, read_timeout=0.5, grace=0, tls=tls)
        with serving(server), contextlib.ExitStack() as held:
            slow, waiting = (held.enter_context(_connected(server, tls)) for _ in range(2))
            slow.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
            assert slow.recv(25).startswith(b"HTTP/1.1 100")
            waiting.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            waiting.settimeout(0.1)
            while True:
                slow.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    answer = read_answer(waiting)
                    break
            assert (answer.status, answer.headers["retry-after"]) == (503, "10")
            assert server.lanes()["transfers"].in_vain == 1
            slow.close()
            next_one = held.enter_context(_connected(server, tls))
            next_one.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
            assert read_answer(next_one).status == 204


def _connected(server: Server, tls: ssl.SSLContext | None) -> socket.socket:
    plain = socket.create_connection(server.bind_addr[:2], PATIENCE)
    if tls is None:
        return plain
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return trusting.wrap_socket(plain)


def test_who_sends_or_takes_too_little_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "WINDOW", 1.0)
    monkeypatch.setattr(pace, "LEAST_RATE", 10**12)
    server = Server(("127.0.0.1", 0), read_and_answer, threads=2, read_timeout=1, grace=0)
    with serving(server), socket.create_connection(server.bind_addr[:2], PATIENCE) as sender:
        sender.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        sender.settimeout(0.1)
        assert dripped(sender) == b"HTTP/1.1 408"
        with socket.create_connection(server.bind_addr[:2], PATIENCE) as taker:
            taker.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            while taker.recv(1 << 16):
                pass


def dripped(slow: socket.socket) -> bytes:
    """What a client gets that sends a byte now and then."""
    for _ in range(500):
        slow.send(b"x")
        with contextlib.suppress(TimeoutError):
            return slow.recv(12)
    pytest.fail("there is no end")


def test_who_was_refused_and_sends_on_holds_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 10.0 * PATIENCE)
    server = Server(("127.0.0.1", 0), refuse, threads=1, read_timeout=60, grace=0)
    with serving(server), contextlib.ExitStack() as held:
        for _ in range(3):
            slow = held.enter_context(socket.create_connection(server.bind_addr[:2], PATIENCE))
            slow.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            assert read_answer(slow).status == 403
            slow.sendall(b"d")
        assert len(server.open_connections) == 3


def test_a_refused_client_is_read_on_within_bounds(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = pair
    monkeypatch.setattr(lingering, "LINGER_BYTES", 6)
    clock = Time()
    end = Lingering(ours, clock=clock)
    assert (end.advance(), end.deadline, theirs.recv(1)) == (Progress.WAITING, lingering.LINGER_SECONDS, b"")
    theirs.send(b"12345")
    assert end.advance() is Progress.WAITING
    theirs.send(b"6")
    assert end.advance() is Progress.BROKEN


def test_beyond_the_ceiling_who_says_nothing_goes_first() -> None:
    server = Server(("127.0.0.1", 0), read_and_answer, threads=1, read_timeout=60, grace=0)
    server.ceiling = 5
    with serving(server), contextlib.ExitStack() as held:
        upload = held.enter_context(socket.create_connection(server.bind_addr[:2], PATIENCE))
        upload.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert upload.recv(25).startswith(b"HTTP/1.1 100")
        begun = held.enter_context(socket.create_connection(server.bind_addr[:2], PATIENCE))
        begun.sendall(b"GET / HTTP/1.1\r\n")
        until(lambda: any(b"GET" in conn.head.seen for conn in server.open_connections))
        idle = [held.enter_context(socket.create_connection(server.bind_addr[:2], PATIENCE)) for _ in range(12)]
        assert idle[0].recv(1) == b""
        upload.sendall(b"ab")
        assert read_answer(upload).status == 204
        begun.sendall(b"Host: x\r\n\r\n")
        assert read_answer(begun).status == 204
        assert Client(server.url).get("/").status == 204


def _queued(server: Server, count: int) -> bool:
    return server.queued() == count


def test_beyond_the_ceiling_who_came_last_waits_for_no_thread() -> None:
    probes = Lane("probes", 1, lambda method, path: path == "/probe")
    server = Server(("127.0.0.1", 0), read_and_answer, threads=1, read_timeout=60, grace=0, lanes=[probes])
    server.ceiling = 5
    with serving(server), contextlib.ExitStack() as held:
        many = [held.enter_context(socket.create_connection(server.bind_addr[:2], PATIENCE)) for _ in range(5)]
        for number, connection in enumerate(many):
            connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
            until(lambda: not server.requests.idle)
            until(partial(_queued, server, number))
        assert Client(server.url).get("/probe").status == 204
        refused = read_answer(many[4])
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        assert len(server.open_connections) <= 5
        for connection in many[:4]:
            connection.sendall(b"x")
            assert read_answer(connection).status == 204


@pytest.mark.parametrize("end", [Server.stop, Server.cut])
def test_nothing_begins_when_requests_under_way_are_cut(end: Callable[[Server], None]) -> None:
    """At the end of the grace period, and by a second signal."""
    begun: list[str] = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        begun.append(environ["PATH_INFO"])
        return read_and_answer(environ, start_response)

    server = Server(("127.0.0.1", 0), application, threads=1, read_timeout=60, grace=1)
    with serving(server), contextlib.ExitStack() as held:
        one, other = (held.enter_context(socket.create_connection(server.bind_addr[:2], PATIENCE)) for _ in range(2))
        one.sendall(b"PUT /one HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        until(lambda: begun == ["/one"])
        other.sendall(b"DELETE /other HTTP/1.1\r\nHost: x\r\n\r\n")
        until(partial(_queued, server, 1))
        end(server)
        assert read_answer(other).status == 503
    assert begun == ["/one"]


def test_beyond_the_ceiling_one_goes_for_each_that_comes() -> None:
    """Also while those that were sent away are still there: the loop that would see their end does not run."""
    server = Server(("127.0.0.1", 0), read_and_answer, threads=1, read_timeout=60, grace=0)
    server.ceiling = 2
    server.prepare()
    with contextlib.closing(server.socket), contextlib.ExitStack() as held:
        for sent in (b"PUT", b"PUT", b"", b"PUT", b"PUT", b"PUT", b"PUT"):
            client = held.enter_context(socket.create_connection(server.bind_addr[:2], PATIENCE))
            client.sendall(sent and sent + b" / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
            server._connections._from_server_socket(server.socket)
            until(lambda: not server.requests.idle)
        assert server.requests.waiting.qsize() == 1
        server.stop()


def test_deadlines_hold_when_somebody_sets_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(("127.0.0.1", 0), read_and_answer, threads=1, read_timeout=1, grace=0)
    back = time.time() - 3600
    with serving(server), socket.create_connection(server.bind_addr[:2], PATIENCE) as slow:
        slow.sendall(PART)
        monkeypatch.setattr("cheroot.connections.time.time", lambda: back)
        assert read_answer(slow).status == 408


def test_ceiling_leaves_descriptors_to_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, most in ((1024, 1024 - 64 - 26 * 4), (128, 32), (10**6, connections.MOST_CONNECTIONS)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=limit: (soft, 0))
        assert connections.ceiling(26) == most
