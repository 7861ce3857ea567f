"""The probes of operators and their tools: `/healthcheck` and what is below it, `/metrics`. None needs a token.

`/healthcheck` says that the process answers, and nothing else: a liveness probe must not restart a service because a
store or the database is down. `/healthcheck/ready` says whether it can take an upload that names no store: catalog,
ledger and the default store are up; else 503. Another store that is down, or threads that are all busy, are told and
are no 503: what is left works, and what waits is bounded. `/healthcheck/stores`, or `/healthcheck?detail`, tells of
the stores only. All is as the last checks found it: nothing here waits for a store or a database, and no answer has a
path or an error's detail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.adapters.wsgi import request_headers
from imgstore.http import MethodNotAllowed, Response, error_response
from imgstore.service.health import StoreHealth
from imgstore.service.metrics import CONTENT_TYPE, Metrics
from imgstore.service.watch import Status

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIVENESS, READINESS, STORES, METRICS = "/healthcheck", "/healthcheck/ready", "/healthcheck/stores", "/metrics"
METHODS = ("GET", "HEAD")


class Probes:
    """The WSGI application for PATHS. `threads` counts those of the server, busy ones and all, if a server tells."""

    PATHS = frozenset({LIVENESS, READINESS, STORES, METRICS})

    def __init__(self, health: StoreHealth, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics
        self.threads: Callable[[], tuple[int, int]] | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            response = self._answer(environ)
        except errors.ImgstoreError as error:
            response = error_response(error, request_headers(environ))
        start_response(f"{response.status} {response.reason}", list(response.headers))
        return () if environ["REQUEST_METHOD"] == "HEAD" else response.body

    def _answer(self, environ: WSGIEnvironment) -> Response:
        if environ["REQUEST_METHOD"] not in METHODS:
            raise MethodNotAllowed("This path takes GET and HEAD only.", allowed=METHODS)
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        if path == METRICS:
            return _response(200, "OK", CONTENT_TYPE, self._metrics.text())
        if path == READINESS:
            return self._ready()
        if path == STORES or query.partition("=")[0] in ("detail", "detailed"):
            return self._told(serves=self._default_is_up(), known={})
        return _response(200, "OK", "text/plain; charset=utf-8", b"OK\n")

    def _ready(self) -> Response:
        parts = self._health.parts()
        known: dict[str, object] = {part.name: _shown(part) for part in parts}
        if self.threads is not None:
            busy, size = self.threads()
            known["threads"] = {"busy": busy, "size": size}
        return self._told(serves=self._default_is_up() and all(part.up for part in parts), known=known)

    def _told(self, *, serves: bool, known: Mapping[str, object]) -> Response:
        found, default = self._health.statuses(), self._health.default
        summary = "down" if not serves else "up" if all(store.up for store in found) else "degraded"
        stores = [_shown_store(store, default=default) for store in found]
        body = json.dumps({"status": summary, **known, "stores": stores}).encode()
        status, reason = (200, "OK") if serves else (503, "Service Unavailable")
        return _response(status, reason, "application/json", body)

    def _default_is_up(self) -> bool:
        return all(store.up for store in self._health.statuses() if store.name == self._health.default)


def _shown_store(found: Status, *, default: str) -> dict[str, object]:
    """In the order in which it is read: which one, then how it is."""
    shown = _shown(found)
    marks = {"default": "true"} if found.name == default else {}
    return {"id": found.name, "status": shown.pop("status"), **marks, **shown}


def _shown(found: Status) -> dict[str, object]:
    shown: dict[str, object] = {"status": "up" if found.up else "down"}
    if found.reason:
        shown["reason"] = found.reason
    return {**shown, "checked_seconds_ago": round(found.age, 1), "check_seconds": round(found.took, 3)}


def _response(status: int, reason: str, media_type: str, body: bytes) -> Response:
    headers = (("Content-Type", media_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"))
    return Response(status, reason, headers, body=(body,))
