"""The body of one HTTP/1.1 request as the server's `wsgi.input`: it ends where the client ended it, or it raises.

`100 Continue` is sent at the first read, never before (refuse early). A connection that ends early, a malformed chunk
or a stall is an exception, again at each further read: end of file means the end of a whole body (never short).
"""

from __future__ import annotations

import copy
import io
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_CHUNK_LINE: Final = 4096
_MAX_TRAILERS: Final = 16384
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Source(Protocol):
    """What a body needs of its connection; cheroot reads a request's head from `rfile`."""

    rfile: Any

    def receive_into(self, buffer: WriteableBuffer) -> int:
        """Reads from the connection itself. Raises TimeoutError."""

    def send_all(self, data: bytes) -> None:
        """Sends everything."""


class MalformedBody(ValueError):
    """The chunked framing of the request body is broken."""


class IncompleteBody(ConnectionError):
    """The client closed its side before the end of the request body."""


class Body(io.RawIOBase):
    """The bytes of one request body, whatever its framing; one thread reads it. After the last byte of a whole body,
    reads give end of file. After a failure every read raises that failure again."""

    def __init__(self, conn: Source, length: int | None, expects: bool) -> None:
        super().__init__()
        self._conn = conn
        self._chunked = length is None
        self._left = length or 0  # of the body, or of the present chunk
        self._in_chunk = False
        self._continue = expects
        self._failure: Exception | None = None
        self.complete = length == 0

    def readable(self) -> bool:
        return True

    def withhold_continue(self) -> None:
        """Sends no 100 Continue any more, since the final answer has begun."""
        self._continue = False

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._failure is not None:
            raise copy.copy(self._failure)
        view = memoryview(buffer).cast("B")
        if self.complete or not view:
            return 0
        try:
            if self._continue:
                self._continue = False
                self._conn.send_all(_CONTINUE)
            if self._chunked and not self._left:
                self._next_chunk()
                if self.complete:
                    return 0
            count = self._receive(view[: self._left])
        except (OSError, ValueError) as exc:
            self._failure = copy.copy(exc)  # itself has a traceback, which refers to this body and its buffers
            raise
        self._left -= count
        if not self._left and not self._chunked:
            self.complete = True
        return count

    def _receive(self, view: memoryview) -> int:
        """Reads body bytes into the buffer, first those that were read ahead."""
        conn = self._conn
        if conn.rfile.has_data():
            data: bytes = conn.rfile.read1(len(view))
            count = len(data)
            view[:count] = data
        else:
            count = conn.receive_into(view)
        if not count:
            raise IncompleteBody("the connection ended within the request body")
        return count

    def _line(self, limit: int) -> bytes:
        line: bytes = self._conn.rfile.readline(limit)
        if not line.endswith(b"\r\n"):
            if len(line) < limit and not line.endswith(b"\n"):
                raise IncompleteBody("the connection ended within the request body")
            raise MalformedBody("a line of the chunked body is too long or ill-terminated")
        return line

    def _next_chunk(self) -> None:
        if self._in_chunk and self._line(2) != b"\r\n":
            raise MalformedBody("chunk data is not followed by CRLF")
        match = _CHUNK_LINE.fullmatch(self._line(_MAX_CHUNK_LINE))
        if match is None:
            raise MalformedBody("malformed chunk size line")
        self._left = int(match[1], 16)
        self._in_chunk = True
        if not self._left:
            room = _MAX_TRAILERS
            while (line := self._line(room)) != b"\r\n":
                room -= len(line)
                if room < 2:
                    raise MalformedBody("trailers are too long")
            self.complete = True
