"""A request as a WSGI server hands it over, with a scripted body that counts how often it is read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class ScriptedInput(io.RawIOBase):
    """Gives the steps one by one, at most `size` bytes at a time, and b"" after the last; a step that is an exception
    is raised."""

    def __init__(self, *steps: bytes | BaseException) -> None:
        super().__init__()
        self._steps = list(steps)
        self.reads: list[int] = []

    def read(self, size: int = -1, /) -> bytes:
        self.reads.append(size)
        if not self._steps:
            return b""
        step = self._steps[0]
        if isinstance(step, BaseException):
            raise step
        chunk, rest = step[:size], step[size:]
        self._steps[:1] = [rest] if rest else []
        return chunk


@dataclass
class Started:
    """An answer that has begun: its body is still with the application."""

    body: Iterable[bytes]
    heads: list[tuple[int, dict[str, str]]] = field(default_factory=list)


def environ(method: str, path: str, body: ScriptedInput, *, query: str = "", **headers: str) -> dict[str, Any]:
    """Header names as keywords: `content_type`, `x_image_meta_store`."""
    made: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    for name, value in headers.items():
        prefix = "" if name in ("content_type", "content_length") else "HTTP_"
        made[prefix + name.upper()] = value
    return made


def start(app: WSGIApplication, request: Mapping[str, Any]) -> Started:
    """Calls the application, with the validator of the standard library in between."""
    heads: list[tuple[int, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        names = [name.lower() for name, _ in headers]
        assert len(names) == len(set(names)), f"a header is given twice: {names}"
        heads.append((int(status.partition(" ")[0]), {name.lower(): value for name, value in headers}))
        return lambda data: None

    return Started(validator(app)(dict(request), start_response), heads)


def close(body: Iterable[bytes]) -> None:
    """What a server does with every body in the end."""
    closing = getattr(body, "close", None)
    if closing is not None:
        closing()
