"""Asks a running service for its status, within a bound, as a program on the same machine does."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from imgstore.service.options import SECTION
from imgstore.service.status import StatusPage
from imgstore.side_by_side import Begun
from imgstore.undo import describe

if TYPE_CHECKING:
    from oslo_config import cfg

STATUS = "status"
MOST = 1 << 24
"""Bytes of an answer."""


class NoAnswer(Exception):
    """Why there is none; nothing secret is in it."""


def ask(
    conf: cfg.ConfigOpts, url: str | None = None, *, token: str | None = None, timeout: float = 5.0
) -> Sequence[Mapping[str, Any]]:
    """The entries of the service at `url`, or where the configuration says. Raises NoAnswer; ValueError if `url` is not
    one of a service."""
    parts = urllib.parse.urlsplit(url or url_of(conf))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a URL is http://HOST:PORT or https://HOST:PORT")
    connection = _connection(parts, None if url else conf[SECTION].tls_certificate, timeout)
    headers = {"X-Auth-Token": token} if token else {}
    asked = Begun({STATUS: partial(_entries, connection, parts, headers)}, seconds=timeout)
    try:
        return asked.result(STATUS)
    except OSError as error:  # a TimeoutError too
        why = error.strerror or str(error) or f"no answer in {timeout:g} s"
        raise NoAnswer(f"no service answers at {parts.hostname} port {connection.port} ({why}).") from error
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise NoAnswer(f"what answers there is no service of this release ({describe(error)}).") from error


def _entries(
    connection: http.client.HTTPConnection, parts: urllib.parse.SplitResult, headers: Mapping[str, str]
) -> Sequence[Mapping[str, Any]]:
    """On a thread of its own: who sends a byte now and then keeps each wait short, and never ends."""
    with contextlib.closing(connection):
        connection.request("GET", parts.path.rstrip("/") + StatusPage.PATH, headers=dict(headers))
        with contextlib.closing(connection.getresponse()) as answer:
            body = answer.read(MOST)
    if answer.status != 200:
        raise NoAnswer(_refusal(answer.status))
    return [dict(entry) for entry in json.loads(body)["entries"]]


def url_of(conf: cfg.ConfigOpts) -> str:
    """Where a program on this machine finds the service."""
    section = conf[SECTION]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(section.listen, section.listen)  # noqa: S104 - compared only
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if section.tls_certificate else 'http'}://{host}:{section.port}"


def _connection(parts: urllib.parse.SplitResult, own: str | None, timeout: float) -> http.client.HTTPConnection:
    host = str(parts.hostname)
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, timeout=timeout)
    try:
        context = ssl.create_default_context(cafile=own)
    except OSError as error:  # a certificate that cannot be read, or is none
        raise NoAnswer(f"the certificate {own} cannot be used ({error.strerror or error}).") from error
    if own:  # the certificate itself is the one that is trusted, under whatever name
        context.check_hostname = False
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)


def _refusal(status: int) -> str:
    if status in (401, 403):
        return f"the service wants a token of an admin ({status}): set OS_TOKEN."
    return f"the service answers {status}."
