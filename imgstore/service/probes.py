"""What operators and their tools ask: `/healthcheck`, `/healthcheck/stores`, `/metrics`. Nobody needs a token for it.

`/healthcheck` says that the process answers, and nothing of its surroundings: a liveness probe must not restart a
service because a store is down. With `?detail`, or as `/healthcheck/stores`, it tells each store's health as it was
last found, with 503 if the default store is down. Nothing here waits for a store, or tells a path or an error's detail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.adapters.wsgi import request_headers
from imgstore.http import MethodNotAllowed, Response, error_response
from imgstore.service.health import Finding, StoreHealth
from imgstore.service.metrics import CONTENT_TYPE, Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LIVENESS, STORES, METRICS = "/healthcheck", "/healthcheck/stores", "/metrics"
METHODS = ("GET", "HEAD")


class Operation:
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
            raise MethodNotAllowed("This path is only read.", allowed=METHODS)
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        if path == METRICS:
            return _response(200, "OK", CONTENT_TYPE, self._metrics.text())
        if path == STORES or query.partition("=")[0] in ("detail", "detailed"):
            return self._stores()
        return _response(200, "OK", "text/plain; charset=utf-8", b"OK\n")

    def _stores(self) -> Response:
        findings = self._health.findings()
        default_is_up = all(finding.up for finding in findings if finding.store == self._health.default)
        summary = "up" if all(finding.up for finding in findings) else "degraded" if default_is_up else "down"
        stores = [_shown(finding, default=self._health.default) for finding in findings]
        body = json.dumps({"status": summary, "stores": stores}).encode()
        status, reason = (200, "OK") if default_is_up else (503, "Service Unavailable")
        return _response(status, reason, "application/json", body)


def _shown(finding: Finding, *, default: str) -> dict[str, object]:
    shown: dict[str, object] = {"id": finding.store, "status": "up" if finding.up else "down"}
    if finding.store == default:
        shown["default"] = "true"
    if finding.reason:
        shown["reason"] = finding.reason
    return {**shown, "checked_seconds_ago": round(finding.age, 1), "check_seconds": round(finding.took, 3)}


def _response(status: int, reason: str, media_type: str, body: bytes) -> Response:
    headers = (("Content-Type", media_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"))
    return Response(status, reason, headers, body=(body,))
