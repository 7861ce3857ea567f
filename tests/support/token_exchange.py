"""Keystone's way to get a token, before a server that has version 1 only: for clients that know nothing else.

A user `name` of the project `account` is the user `account:name` of version 1, and the password is the key. It is for
glance_store's driver for Swift, which then works on tempauth and on Ceph's gateway.
"""

from __future__ import annotations

import datetime
import http.server
import json
import threading
from typing import Any

from tests.support.client import send
from tests.support.running import Running

LIFE = datetime.timedelta(hours=1)


class TokenExchange(Running):
    """Use it as a context manager. `url`: what a client is told as Keystone's."""

    def __init__(self, auth_url: str) -> None:
        handler = type("Handler", (_Handler,), {"auth_url": auth_url})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.url = f"http://127.0.0.1:{self._server.server_port}/v3"

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    auth_url = ""

    def do_POST(self) -> None:
        """/v3/auth/tokens, whatever the path says."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["auth"]
        user, project = asked["identity"]["password"]["user"], asked["scope"]["project"]
        who = {"X-Auth-User": f"{project['name']}:{user['name']}", "X-Auth-Key": user["password"]}
        answer = send("GET", self.auth_url, headers=who)
        good = answer.status in (200, 204)
        token = _token(user["name"], project["name"], answer.headers["x-storage-url"]) if good else {}
        body = json.dumps({"token": token}).encode()
        self.send_response(201 if good else 401)
        self.send_header("X-Subject-Token", answer.headers.get("x-auth-token", ""))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """It says nothing."""


def _token(user: str, project: str, storage_url: str) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc)
    endpoint = {"id": "1", "interface": "public", "region": "here", "region_id": "here", "url": storage_url}
    domain = {"id": "default", "name": "Default"}
    return {
        "user": {"id": user, "name": user, "domain": domain},
        "project": {"id": project, "name": project, "domain": domain},
        "methods": ["password"], "issued_at": now.isoformat(), "expires_at": (now + LIFE).isoformat(), "roles": [],
        "catalog": [{"id": "1", "type": "object-store", "name": "swift", "endpoints": [endpoint]}],
    }  # fmt: skip
