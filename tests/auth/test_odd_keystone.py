"""A Keystone that hangs, drips, or answers what is none of its answers: 503 in bounded time, and the right paths."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.service.auth import identity, keystone
from imgstore.service.options import load
from imgstore.sql import Caller
from imgstore.store import Store, StoreSet
from tests.support.service import LocalService

ODD = {"page": b"<html>Sign in</html>", "nothing": b"", "list": b"[]", "object": b"{}", "token": b'{"token": {}}'}
STAYS = 20.0
"""Seconds that it is silent for, far more than a test waits."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """What a token is answered with is its name. `over`: the test has ended."""

    over = threading.Event()

    def do_GET(self) -> None:
        asked = self.headers.get("X-Subject-Token")
        if asked == "drip":
            self._drip()
        elif asked is None:
            link = {"rel": "self", "href": f"http://{self.headers['Host']}/v3/"}
            self._send(json.dumps({"version": {"id": "v3.14", "status": "stable", "links": [link]}}).encode())
        else:
            self._send(ODD[asked])

    def do_POST(self) -> None:
        url = f"http://{self.headers['Host']}/v3"
        endpoints = [{"interface": name, "region": "R", "url": url, "id": name} for name in ("internal", "admin")]
        catalog = [{"type": "identity", "name": "keystone", "endpoints": endpoints}]
        times = {"issued_at": "2020-01-01T00:00:00.000000Z", "expires_at": "2999-01-01T00:00:00.000000Z"}
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(json.dumps({"token": {"catalog": catalog, "methods": ["password"], **times}}).encode(), 201)

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-More: ")
        end = time.monotonic() + STAYS
        while time.monotonic() < end and not self.over.wait(0.02):
            self.wfile.write(b"x")

    def _send(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("X-Subject-Token", "of-the-service")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """It says nothing."""


@pytest.fixture
def callers(tmp_path: Path) -> Iterator[keystone.Keystone]:
    """Who asks the odd one."""
    _Handler.over.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield keystone.Keystone(load([str(configuration(tmp_path, f"http://127.0.0.1:{server.server_port}/v3"))]))
    finally:
        _Handler.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def configuration(root: Path, url: str) -> Path:
    made = root / "service.conf"
    made.write_text(
        f"[imgstore]\nenabled_stores = fast:memory\n"
        f"[service]\nauth = keystone\n[keystone_authtoken]\nwww_authenticate_uri = {url}\nauth_url = {url}\n"
        "auth_type = password\nusername = imgstore\npassword = some\nproject_name = service\n"
        "user_domain_id = default\nproject_domain_id = default\nhttp_request_max_retries = 0\n"
    )
    return made


def bearing(token: str) -> dict[str, object]:
    return {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/v2/images", "SCRIPT_NAME": "", "SERVER_NAME": "x", "SERVER_PORT": "80",
        "wsgi.url_scheme": "http", "HTTP_X_AUTH_TOKEN": token,
    }  # fmt: skip


def test_answer_that_is_none_of_keystones_is_503(callers: keystone.Keystone) -> None:
    for token in ODD:
        with pytest.raises(identity.IdentityUnavailable):
            callers(bearing(token))


def test_contained_keystone_that_drips_is_given_up(callers: keystone.Keystone, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(identity.IdentityUnavailable):
        callers(bearing("page"))  # its own token is there
    monkeypatch.setattr(identity, "STALLS", 0.3 / identity.TIMEOUT)
    begun = time.monotonic()
    with pytest.raises(identity.IdentityUnavailable):
        callers(bearing("drip"))
    assert time.monotonic() - begun < STAYS / 2


def test_each_answer_of_keystone_has_a_bound(tmp_path: Path) -> None:
    conf = load([str(configuration(tmp_path, "http://127.0.0.1:1/v3"))])
    keystone.Keystone(conf)
    assert conf.keystone_authtoken.http_connect_timeout == identity.TIMEOUT


def test_access_rules_have_the_paths_of_the_api_behind_a_prefix(tmp_path: Path) -> None:
    seen: list[object] = []

    def authenticate(environ: dict[str, object]) -> Caller:
        seen.append((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        raise errors.Unauthenticated("It was seen.")

    stores = StoreSet([Store("fast", MemoryDriver())], default="fast")
    endpoint = "https://images.example.org/image"
    with LocalService(tmp_path, stores, authenticate=authenticate, endpoint=endpoint).running() as service:
        assert service.client.get("/v2/images").status == 401
    assert seen == [("", "/v2/images")]


def test_cache_of_tokens_has_its_client_or_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = configuration(tmp_path, "http://127.0.0.1:1/v3")
    made.write_text(made.read_text() + "memcached_servers = 127.0.0.1:1\n")
    keystone.Keystone(load([str(made)]))
    monkeypatch.setitem(sys.modules, "memcache", None)
    monkeypatch.delitem(sys.modules, "oslo_cache._memcache_pool")
    monkeypatch.delattr("oslo_cache._memcache_pool")
    with pytest.raises(errors.ConfigurationError, match="memcached_servers: the module 'memcache' is missing"):
        keystone.Keystone(load([str(made)]))
