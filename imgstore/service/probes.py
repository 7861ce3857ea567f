"""The probes of operators and their tools: `/healthcheck`, `/healthcheck/stores`, `/metrics`. None needs a token.

`/healthcheck` says that the process answers, and nothing else: a liveness probe must not restart a service because a
store is down. `/healthcheck/stores`, or `/healthcheck?detail`, tells each store's health as the last check found it,
with 503 if the default store is down. Nothing here waits for a store, and no answer has a path or an error's detail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.adapters.wsgi import request_headers
from imgstore.http import MethodNotAllowed, Response, error_response
from imgstore.service.health import StoreHealth, StoreStatus
from imgstore.service.metrics import CONTENT_TYPE, Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIVENESS, STORES, METRICS = "/healthcheck", "/healthcheck/stores", "/metrics"
METHODS = ("GET", "HEAD")


class Probes:
    """The WSGI application for PATHS."""

    PATHS = frozenset({LIVENESS, STORES, METRICS})

    def __init__(self, health: StoreHealth, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics

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
        if path == STORES or query.partition("=")[0] in ("detail", "detailed"):
            return self._stores()
        return _response(200, "OK", "text/plain; charset=utf-8", b"OK\n")

    def _stores(self) -> Response:
        found = self._health.statuses()
        default_is_up = all(store.up for store in found if store.store == self._health.default)
        summary = "up" if all(store.up for store in found) else "degraded" if default_is_up else "down"
        stores = [_shown(store, default=self._health.default) for store in found]
        body = json.dumps({"status": summary, "stores": stores}).encode()
        status, reason = (200, "OK") if default_is_up else (503, "Service Unavailable")
        return _response(status, reason, "application/json", body)


def _shown(found: StoreStatus, *, default: str) -> dict[str, object]:
    shown: dict[str, object] = {"id": found.store, "status": "up" if found.up else "down"}
    if found.store == default:
        shown["default"] = "true"
    if found.reason:
        shown["reason"] = found.reason
    return {**shown, "checked_seconds_ago": round(found.age, 1), "check_seconds": round(found.took, 3)}


def _response(status: int, reason: str, media_type: str, body: bytes) -> Response:
    headers = (("Content-Type", media_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"))
    return Response(status, reason, headers, body=(body,))
