"""A client that says exactly what it is told to, over one connection: well-formed requests and broken ones."""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

from imgstore.testing.hosts.calls import DOCUMENT

if TYPE_CHECKING:
    from typing_extensions import Self

SECTION = "laws-of-a-host-over-http"
PATIENCE = 30.0
"""Seconds for which a client waits for the host."""
HESITATION = 1.0
"""Seconds for which a client waits for 100 Continue, before it sends its body without."""
CONTINUE = b"HTTP/1.1 100 "
LAST_CHUNK = b"0\r\n\r\n"
NO_ANSWER = 0

Headers = Sequence[tuple[str, str]]


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass(frozen=True)
class Answer:
    """What the host answered to a request. A failure tells both."""

    request: str
    status: int = NO_ANSWER
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def fail(self, instead_of: str, *, did: str | None = None) -> NoReturn:
        """Fails the test."""
        answered = f"answered {self.status} {self.reason} {self.body[:120]!r}" if self.status else "ended unanswered"
        pytest.fail(f"{self.request} {did or answered} instead of {instead_of}. Read {DOCUMENT}#{SECTION}")

    def must_be(self, *statuses: int) -> Answer:
        """One of these statuses."""
        if self.status not in statuses:
            names = [str(status or "the end of the connection") for status in statuses]
            self.fail(" or ".join(names))
        return self

    def must_say(self, word: str) -> Answer:
        """The body has this word."""
        if word not in self.body.decode(errors="replace"):
            self.fail(f"a message with {word!r}")
        return self

    def must_carry(self, content: bytes) -> Answer:
        """Exactly this body."""
        if self.body != content:
            self.fail(f"the {len(content)} bytes of the image", did=f"answered with {len(self.body)} other bytes")
        return self

    def must_have(self, **headers: str) -> Answer:
        """These headers, whose names are written with underscores."""
        for name, value in headers.items():
            name = name.replace("_", "-")
            has = self.headers.get(name)
            if has != value:
                self.fail(f"{value!r}", did=f"answered {self.status} with {name}: {has!r}")
        return self


class _Incoming(io.RawIOBase):
    """What comes from the host."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.recv_into(buffer)


class _Kept(io.BufferedReader):
    """Stays open after an answer: what was read ahead belongs to the next one."""

    def close(self) -> None:
        """Does nothing."""

    def makefile(self, mode: str) -> _Kept:
        """As a socket, for HTTPResponse."""
        return self


class Wire:
    """One connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming = _Kept(_Incoming(self.socket))
        self._method = self._request = ""

    def head(self, method: str, path: str, headers: Headers) -> None:
        """The request line and the headers."""
        shown = [f"{name}: {value[:40]}" for name, value in headers if "token" not in name.lower()]
        self._method, self._request = method, f"{method} {path} ({', '.join(shown)})"
        lines = [f"{method} {path} HTTP/1.1", "Host: host.test", *(f"{name}: {value}" for name, value in headers)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, *pieces: bytes) -> None:
        """Sends until the host, which may refuse in the middle, takes no more."""
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                self.socket.sendall(piece)

    def send_body(self, pieces: Iterable[bytes]) -> None:
        """Waits for 100 Continue for a moment, as clients do, and sends the body unless there is an answer."""
        if self.wait_for_continue() != b"":
            self.send(*pieces)

    def wait_for_continue(self, *, patient: bool = False) -> bytes | None:
        """The 100 Continue, which is taken off; nothing if there is another answer; None if there is none yet. If
        `patient`, it waits as for an answer."""
        ready, _, _ = select.select([self.socket], [], [], PATIENCE if patient else HESITATION)
        if not ready:
            return None
        if self.socket.recv(len(CONTINUE), socket.MSG_PEEK | socket.MSG_WAITALL) != CONTINUE:
            return b""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        return head

    def half_close(self) -> None:
        """No more comes from this side."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """The client dies: the host gets RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def answer(self) -> Answer:
        """The final answer; one without a status if the connection ends before it is whole."""
        response = http.client.HTTPResponse(cast("socket.socket", self._incoming), method=self._method)
        with contextlib.closing(response):
            try:
                response.begin()
                headers = {name.lower(): value for name, value in response.getheaders()}
                return Answer(self._request, response.status, response.reason, headers, response.read())
            except (http.client.HTTPException, OSError):
                return Answer(self._request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.socket.close()
