"""What a failed connection tells an operator: host, port, and the operating system's own words.

Client libraries wrap a failed system call in errors of their own, whose texts may hold a credential. Host and port, and
the words for an error's number, hold none; they are looked for in everything that is behind an error.
"""

from __future__ import annotations

import os
import socket
import ssl
import urllib.parse
from collections.abc import Iterator

MOST = 30
"""Errors that are looked at."""


def told_of_connection(error: BaseException) -> str:
    """`storage.example.org:8080: Connection refused`, or what there is of it; empty for another failure."""
    behind = list(_behind(error))
    words = next((found for each in behind if (found := _words(each))), "")
    where = next((found for each in behind if (found := _address(each))), "")
    return ": ".join(part for part in (where, words) if part) if words or where else ""


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps, each once, the outermost first."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MOST:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        options = vars(each).get("kwargs")
        inner = [each.__cause__, None if each.__suppress_context__ else each.__context__, vars(each).get("reason")]
        inner += [*each.args, *(options.values() if isinstance(options, dict) else ())]
        waiting += [other for other in inner if isinstance(other, BaseException)]


def _words(error: BaseException) -> str:
    """The words of the system, the resolver or TLS; they quote no request."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(getattr(error, "verify_message", ""))
    if isinstance(error, ssl.SSLError):
        return str(getattr(error, "reason", None) or "").replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return str(error.strerror or "")
    if isinstance(error, ConnectionError | TimeoutError):
        return os.strerror(error.errno) if error.errno else ("timed out" if isinstance(error, TimeoutError) else "")
    return ""


def _address(error: BaseException) -> str:
    known = vars(error)
    for holder in (known.get("conn"), known.get("pool")):
        host, port = getattr(holder, "host", None), getattr(holder, "port", None)
        if isinstance(host, str) and isinstance(port, int):
            return f"{host.strip('[]')}:{port}" if ":" not in host.strip("[]") else f"[{host.strip('[]')}]:{port}"
    options = known.get("kwargs")
    url = options.get("endpoint_url") if isinstance(options, dict) else None
    return _host_of(url) if isinstance(url, str) else ""


def _host_of(url: str) -> str:
    """Host and port of a URL, without what may be a credential."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
    except ValueError:
        return ""
    return f"{parts.hostname}:{port}" if parts.hostname else ""
