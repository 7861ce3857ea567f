"""What every request passes: authentication, the request's identifier, the access log, the answer to defects.

Every path needs an authenticated caller, except the versions and the probes. The exceptions are named here, so a new
path cannot be forgotten. The body is still unread then.

An exception that no application handles is a defect: it is logged with its traceback, and the client gets 500 and the
request's identifier. Once the answer has begun, the connection is aborted instead, so that the client notices (never
short). As in Glance the identifier is the service's own; the log also has the one that the client sent.
"""

from __future__ import annotations

import errno
import logging
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from imgstore import errors
from imgstore.adapters.wsgi import image_id_of_path, request_headers
from imgstore.http import error_response
from imgstore.service.api.paths import OTHER_VERSIONS
from imgstore.service.auth.noauth import project_of, remember
from imgstore.service.log import FIELDS, PROBE
from imgstore.service.metrics import Metrics
from imgstore.service.probes import Probes
from imgstore.service.status import StatusPage
from imgstore.undo import describe, is_failure

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from imgstore.service.auth.noauth import Authenticate

    Application = Callable[[WSGIEnvironment, Any], Iterable[bytes]]

LOG = logging.getLogger(__name__)
ACCESS = logging.getLogger("imgstore.service.access")

NO_REQUEST = "-"
REQUEST_ID: ContextVar[str] = ContextVar("imgstore_request_id", default=NO_REQUEST)

OPEN = frozenset({"", "/", "/versions", "/versions/", "/v2", "/v2/"})
"""Paths of the list of versions: clients ask for it before they have a token."""

DATA, API, PROBES, STATUS = "data", "api", "operation", "status"

ACCESS_LINE = (
    '%(address)s %(clients_id)s %(project)s "%(method)s %(path)s" %(status)s %(outcome)s %(bytes)s %(seconds).3fs'
)

_CLIENTS_ID = re.compile(r"req-[0-9a-f-]{36}", re.ASCII)


class Middleware:
    """The WSGI application of the service. `data` answers `/v2/images/{image_id}/file`, `probes` and `status` their own
    paths, `api` everything else. `endpoint`: the URL at which clients find the service, if a proxy stands before it."""

    def __init__(
        self,
        *,
        data: Application,
        api: Application,
        probes: Probes,
        status: StatusPage,
        authenticate: Authenticate,
        metrics: Metrics,
        endpoint: str | None = None,
    ) -> None:
        self._applications: dict[str, Application] = {DATA: data, API: api, PROBES: probes, STATUS: status}
        self._authenticate = authenticate
        self._metrics = metrics
        self._endpoint = urllib.parse.urlsplit(endpoint) if endpoint else None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = f"req-{uuid.uuid4()}"
        REQUEST_ID.set(request_id)
        resource = _resource(environ)
        answer = _Answer(environ, lambda status, seconds: self._count(environ, resource, status, seconds))
        try:
            self._prepare(environ, resource)
            answer.take(self._applications[resource](environ, answer.start))
        except errors.ImgstoreError as error:
            answer.fail(error)
        except BaseException as error:
            if not is_failure(error):
                raise
            LOG.exception("The request failed")  # a defect: the client is told its identifier and nothing else
            answer.fail(errors.ImgstoreError("The server failed to handle the request."))
        start_response(answer.status, [*answer.headers, ("x-openstack-request-id", request_id)])
        return answer

    def _prepare(self, environ: WSGIEnvironment, resource: str) -> None:
        path = environ.get("PATH_INFO", "")
        if not (resource == PROBES or path in OPEN or OTHER_VERSIONS.match(path)):
            # Before the prefix is there: access rules of Keystone have the paths of the API.
            remember(environ, self._authenticate(environ))
        if self._endpoint is not None:
            environ["wsgi.url_scheme"] = self._endpoint.scheme
            environ["HTTP_HOST"] = self._endpoint.netloc
            environ["SCRIPT_NAME"] = self._endpoint.path.rstrip("/")

    def _count(self, environ: WSGIEnvironment, resource: str, status: str, seconds: float) -> None:
        self._metrics.request(environ["REQUEST_METHOD"], resource, status, seconds)


def _resource(environ: WSGIEnvironment) -> str:
    if environ.get("PATH_INFO", "") in Probes.PATHS:
        return PROBES
    if environ.get("PATH_INFO", "") == StatusPage.PATH:
        return STATUS
    return API if image_id_of_path(environ) is None else DATA


class _Answer:
    """One answer of an application. The server sends it, and it is logged when the server closes it."""

    def __init__(self, environ: WSGIEnvironment, observe: Callable[[str, float], None]) -> None:
        self._environ = environ
        self._observe = observe
        self._began = time.monotonic()
        self._body: Iterable[bytes] = ()
        self._sent = 0
        self._outcome = "cut"
        self.status = ""
        self.headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None, /) -> Any:
        """The application's `start_response`."""
        self.status, self.headers = status, headers
        return _refuse_write

    def take(self, body: Iterable[bytes]) -> None:
        """Takes the application's answer."""
        self._body = body

    def fail(self, error: errors.ImgstoreError) -> None:
        """Takes an error instead of the application's answer."""
        response = error_response(error, request_headers(self._environ))
        self.start(f"{response.status} {response.reason}", list(response.headers))
        self.take(() if self._environ["REQUEST_METHOD"] == "HEAD" else response.body)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._body:
                yield chunk
                self._sent += len(chunk)
        except errors.ImgstoreError as error:
            LOG.error("The answer is cut after %s bytes: %s", self._sent, describe(error))
            raise _abort() from error
        except BaseException as error:
            if not is_failure(error):
                raise
            LOG.exception("The answer is cut after %s bytes", self._sent)
            raise _abort() from error
        self._outcome = "whole"

    def close(self) -> None:
        """Called by the server, however the answer ended."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._log()
            REQUEST_ID.set(NO_REQUEST)

    def _log(self) -> None:
        environ, seconds = self._environ, time.monotonic() - self._began
        status = self.status.partition(" ")[0]
        clients_id = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        self._observe(status, seconds)
        fields = {
            "address": environ.get("REMOTE_ADDR", "-"),
            "clients_id": clients_id if _CLIENTS_ID.fullmatch(clients_id) else "-",
            "project": _unforgeable(project_of(environ)),
            "method": _unforgeable(environ["REQUEST_METHOD"]),
            "path": _unforgeable(environ.get("PATH_INFO", "")),
            "status": status,
            "outcome": self._outcome,
            "bytes": self._sent,
            "seconds": round(seconds, 3),
        }
        is_probe = environ.get("PATH_INFO", "") in Probes.PATHS and status < "400"
        ACCESS.info(ACCESS_LINE, fields, extra={FIELDS: fields, PROBE: is_probe})


def _unforgeable(text: str) -> str:
    """A field of the access log: a blank, a quote and what does not print are escaped as in a URL."""
    return urllib.parse.quote(text, safe="!$%&'()*+,/:;=?@[]^`{|}~", encoding="latin-1", errors="replace")


def _abort() -> ConnectionAbortedError:
    return ConnectionAbortedError(errno.ECONNABORTED, "The answer could not be sent whole")


def _refuse_write(data: bytes) -> None:
    raise RuntimeError("No application of this service writes before it returns its body.")
