"""The fault proxy before a real Swift: each fault is what it says for the client, the server and the record."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import http.client
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgstore.testing import faults
from imgstore.testing.faults import FaultProxy
from tests.support.certificates import write_certificate
from tests.support.client import first_line, read_answer, send
from tests.support.fixtures import SwiftFactory
from tests.support.nowhere import refusing_address
from tests.support.swift import SwiftAccount, SwiftServer, SwiftSettings
from tests.support.waiting import until

DATA = bytes(range(256)) * 4096


@pytest.fixture
def proxy(swift: SwiftServer) -> Iterator[FaultProxy]:
    with FaultProxy(swift.url) as running:
        yield running


@pytest.fixture
def direct(swift: SwiftServer) -> SwiftAccount:
    """An account with a container `c`, asked without the proxy."""
    account = swift.account()
    account.container("c")
    return account


@pytest.fixture
def account(proxy: FaultProxy, direct: SwiftAccount) -> SwiftAccount:
    """The same through the proxy; its token costs no request."""
    path = urllib.parse.urlsplit(direct.storage_url).path
    return replace(direct, storage_url=f"{proxy.url}{path}")


def test_everything_goes_through_and_is_recorded(
    proxy: FaultProxy, swift: SwiftServer, direct: SwiftAccount, account: SwiftAccount
) -> None:
    assert account.put("c/key", DATA, query="a=1&b=x%20y").status == 201
    assert account.get("c/key").body == direct.get("c/key").body == DATA
    assert account.head("c/key").headers["content-length"] == str(len(DATA))
    assert account.get("c/none").status == 404
    assert account.delete("c/key").status == 204
    record = [(seen.method, seen.path.rpartition("/")[2], seen.received, seen.status) for seen in proxy.requests]
    assert record == [
        ("PUT", "key", len(DATA), 201), ("GET", "key", 0, 200), ("HEAD", "key", 0, 200), ("GET", "none", 0, 404),
        ("DELETE", "key", 0, 204),
    ]  # fmt: skip
    first, second = proxy.requests[:2]
    assert (first.sent, second.sent, second.answer_headers["content-length"]) == (0, len(DATA), str(len(DATA)))
    assert first.arguments == {"a": "1", "b": "x y"}
    assert first.headers["host"] == urllib.parse.urlsplit(proxy.url).netloc
    assert proxy.count(method="GET", path="/c/k") == proxy.count(query="b=x") == 1
    proxy.wait_until_idle()
    assert proxy.in_flight == []


def test_host_is_the_one_that_the_client_sent(proxy: FaultProxy, direct: SwiftAccount) -> None:
    through = replace(direct, auth_url=f"{proxy.url}/auth/v1.0", storage_url="")
    through.new_token()
    assert through.storage_url.startswith(f"{proxy.url}/v1/"), "Swift makes its addresses of the Host that it sees"


def test_connection_is_kept_for_the_next_request(proxy: FaultProxy, account: SwiftAccount) -> None:
    parts = urllib.parse.urlsplit(account.storage_url)
    proxy.on(faults.Respond(503), skip=1)
    statuses, addresses = [], set()
    with contextlib.closing(http.client.HTTPConnection(parts.netloc)) as connection:
        for body in (b"one", b"two", b"three"):
            connection.request("PUT", f"{parts.path}/c/key", body=body, headers={"X-Auth-Token": account.token})
            addresses.add(connection.sock.getsockname())
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
    assert (statuses, len(addresses)) == ([201, 503, 201], 1)
    assert account.get("c/key").body == b"three"


def test_rule_hits_its_requests_after_skip_and_so_often(proxy: FaultProxy, account: SwiftAccount) -> None:
    rule = proxy.on(faults.Respond(500), method="PUT", path="/key$", query="^n=", skip=1, times=2)
    statuses = [account.put("c/key", query=f"n={number}").status for number in range(4)]
    assert statuses == [201, 500, 500, 201]
    assert (rule.matched, rule.hits) == (4, 2)
    assert account.put("c/key2", query="n=1").status == account.put("c/key").status == 201
    assert account.head("c/key").status == 200
    always = proxy.on(faults.Respond(507), times=None)
    assert [account.head("c/key").status for _ in range(3)] == [507] * 3
    proxy.heal()
    assert account.head("c/key").status == 200
    assert always.hits == 3


def test_answer_of_its_own_comes_after_the_body_and_the_server_is_not_asked(
    proxy: FaultProxy, direct: SwiftAccount, account: SwiftAccount
) -> None:
    proxy.on(faults.s3_error(400, "ExpiredToken"), method="PUT")
    proxy.on(faults.Respond(429, b"later", {"Retry-After": "7"}), method="GET")
    answer = account.put("c/key", DATA)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/xml")
    assert b"<Code>ExpiredToken</Code>" in answer.body
    answer = account.get("c/key")
    assert (answer.status, answer.headers["retry-after"], answer.body) == (429, "7", b"later")
    assert [(seen.received, seen.status) for seen in proxy.requests] == [(len(DATA), 400), (0, 429)]
    assert direct.everything() == set()


def begin_put(account: SwiftAccount, **headers: str) -> socket.socket:
    """A connection on which the head of a PUT of DATA was sent."""
    parts = urllib.parse.urlsplit(account.storage_url)
    assert parts.port is not None
    connection = socket.create_connection(("127.0.0.1", parts.port), timeout=30)
    lines = [f"PUT {parts.path}/c/key HTTP/1.1", f"Host: {parts.netloc}", f"X-Auth-Token: {account.token}"]
    lines += [f"Content-Length: {len(DATA)}", *(f"{name}: {value}" for name, value in headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def statuses_with_expectation(account: SwiftAccount) -> tuple[int, int]:
    """What comes before the body is sent, and after it was."""
    with begin_put(account, Expect="100-continue") as connection:
        first = int(first_line(connection).split()[1])
        if first == 100:
            connection.sendall(DATA)
        return first, read_answer(connection).status


def test_expectation_is_met_by_the_server_or_by_an_early_answer(
    proxy: FaultProxy, direct: SwiftAccount, account: SwiftAccount
) -> None:
    proxy.on(faults.Respond(503, early=True), skip=1)
    assert statuses_with_expectation(account) == (100, 201)
    assert statuses_with_expectation(account) == (503, 503)
    proxy.on(faults.Respond(500))
    assert statuses_with_expectation(account) == (100, 500)
    assert statuses_with_expectation(replace(account, _token="bad")) == (401, 401), "refused before the body"
    assert [seen.received for seen in proxy.requests] == [len(DATA), 0, len(DATA), 0]
    assert direct.get("c/key").body == DATA


@pytest.mark.parametrize(
    ("fault", "sent"),
    [(faults.Reset(early=True), 0), (faults.CutRequest(after=1000), 1000), (faults.Reset(), len(DATA))],
)
def test_reset_comes_in_its_time_and_stores_nothing(
    proxy: FaultProxy, direct: SwiftAccount, account: SwiftAccount, fault: faults.Reset, sent: int
) -> None:
    proxy.on(fault)
    with begin_put(account) as connection:
        if sent:  # else the reset may be here before anything could be sent
            connection.sendall(DATA[:sent])
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert [(seen.received, seen.status) for seen in proxy.requests] == [(sent, None)]
    proxy.on(faults.CutRequest(after=100_000))
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        account.put("c/key", DATA)
    assert direct.everything() == set()


def test_dropped_replaced_and_changed_answers_are_of_work_that_was_done(
    proxy: FaultProxy, direct: SwiftAccount, account: SwiftAccount
) -> None:
    proxy.on(faults.DropAnswer())
    with pytest.raises(ConnectionResetError):
        account.put("c/dropped", DATA)
    assert [(seen.received, seen.status) for seen in proxy.requests] == [(len(DATA), None)]
    proxy.on(faults.ReplaceAnswer(503, b"sorry", {"Retry-After": "1"}))
    answer = account.put("c/replaced", DATA)
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, b"sorry", "1")
    proxy.on(faults.ChangeHeaders({"ETag": '"other"', "Last-Modified": None, "X-New": "1"}))
    headers = account.put("c/changed", DATA).headers
    assert (headers["etag"], headers["x-new"], "last-modified" in headers) == ('"other"', "1", False)
    assert direct.objects("c") == dict.fromkeys(("changed", "dropped", "replaced"), len(DATA))
    assert account.head("c/changed").headers["etag"] == hashlib.md5(DATA).hexdigest()


def test_cut_answer_ends_after_so_many_bytes(proxy: FaultProxy, account: SwiftAccount) -> None:
    account.put("c/key", DATA)
    for after in (0, 1, 300_000, len(DATA) - 1):
        proxy.on(faults.CutAnswer(after), method="GET")
        with pytest.raises(http.client.IncompleteRead) as caught:
            account.get("c/key")
        assert caught.value.partial == DATA[:after]
        proxy.on(faults.CutAnswer(after, reset=True), method="GET")
        with pytest.raises(ConnectionResetError):
            account.get("c/key")


def test_corruption_changes_one_bit(proxy: FaultProxy, direct: SwiftAccount, account: SwiftAccount) -> None:
    proxy.on(faults.Corrupt(at=700_000, request=True), method="PUT")
    etag = hashlib.md5(DATA).hexdigest()
    assert account.put("c/key", DATA, headers={"ETag": etag}).status == 422
    assert account.put("c/key", DATA, headers={"ETag": etag}).status == 201
    proxy.on(faults.Corrupt(at=700_000), method="GET")
    changed = account.get("c/key").body
    assert [at for at in range(len(DATA)) if changed[at] != DATA[at]] == [700_000]
    assert changed[700_000] == DATA[700_000] ^ 1


@pytest.mark.parametrize("fault", [faults.Delay, faults.DelayAnswer, functools.partial(faults.StallAnswer, 5)])
def test_pause_lasts_its_time_or_until_the_proxy_stops(
    swift: SwiftServer, direct: SwiftAccount, fault: Callable[[float], faults.Delay]
) -> None:
    direct.put("c/key", DATA)
    before = threading.active_count()
    with FaultProxy(swift.url) as proxy, concurrent.futures.ThreadPoolExecutor(1) as pool:
        through = replace(direct, storage_url=direct.storage_url.replace(swift.url, proxy.url))
        proxy.on(fault(0.01))
        assert through.get("c/key").body == DATA
        proxy.on(fault(60))
        asking = pool.submit(through.get, "c/key")
        proxy.wait_until(2)
        until(lambda: len(proxy.in_flight) == 1)
        proxy.stop()
        assert isinstance(asking.exception(30), (OSError, http.client.HTTPException))
    assert threading.active_count() == before
    assert proxy.in_flight == []


def test_no_answer_ends_with_the_client_or_after_its_seconds(
    proxy: FaultProxy, direct: SwiftAccount, account: SwiftAccount
) -> None:
    proxy.on(faults.NoAnswer(60))
    with begin_put(account) as connection:
        connection.sendall(DATA)
        proxy.wait_until(1)
    proxy.on(faults.NoAnswer(0.01))
    with begin_put(account) as connection:
        connection.sendall(DATA)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    proxy.wait_until_idle()
    assert [(seen.received, seen.given_up) for seen in proxy.requests] == [(len(DATA), True), (len(DATA), False)]
    assert direct.everything() == set()


def test_client_that_leaves_in_the_middle_of_its_body_has_given_up(proxy: FaultProxy, account: SwiftAccount) -> None:
    proxy.on(faults.NoAnswer(60))
    with begin_put(account) as connection:
        connection.sendall(DATA[:-1])
        proxy.wait_until(1)
    proxy.wait_until_idle()
    assert [(seen.received < len(DATA), seen.given_up) for seen in proxy.requests] == [(True, True)]


def test_server_that_is_down_is_a_reset(swift: SwiftServer, direct: SwiftAccount) -> None:
    with FaultProxy(f"http://{refusing_address()}") as proxy:
        through = replace(direct, storage_url=direct.storage_url.replace(swift.url, proxy.url))
        with pytest.raises(ConnectionResetError):
            through.get("c/key")


def test_chunked_body_goes_through(proxy: FaultProxy, direct: SwiftAccount, account: SwiftAccount) -> None:
    pieces = (DATA[at : at + 10_000] for at in range(0, len(DATA), 10_000))
    assert (
        send("PUT", f"{account.storage_url}/c/key", body=pieces, headers={"X-Auth-Token": account.token}).status == 201
    )
    assert proxy.requests[0].received == len(DATA)
    assert direct.get("c/key").body == DATA


def test_tls_on_both_sides(swift_with: SwiftFactory, tmp_path: Path) -> None:
    swift = swift_with(SwiftSettings(tls=True))
    files = write_certificate(tmp_path)
    with FaultProxy(swift.url, tls=files) as proxy:
        assert proxy.url.startswith("https://")
        direct = swift.account()
        account = replace(direct, auth_url=f"{proxy.url}/auth/v1.0", ca_file=files[0])
        account.container("c")
        assert account.storage_url.startswith(f"{proxy.url}/v1/")
        proxy.on(faults.CutRequest(after=500_000), method="PUT")
        with pytest.raises((ConnectionError, ssl.SSLError)):
            account.put("c/key", DATA)
        assert account.put("c/key", DATA).status == 201
        assert account.get("c/key").body == direct.get("c/key").body == DATA
