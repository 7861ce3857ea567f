"""A client that says exactly what it is told to, over one connection: well-formed requests and broken ones."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

PATIENCE = 60.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """`headers` by lower-case name; no header may be given twice."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """Of an error that was asked for in JSON."""
        text: str = self.json["message"]
        return text


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


class Wire:
    """One connection. `receive_buffer` bytes: small, where the server is to be kept waiting."""

    def __init__(self, address: tuple[str, int], *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._method = "GET"

    def head(self, method: str, path: str, headers: Iterable[tuple[str, str]]) -> None:
        """The request line and the headers."""
        self._method = method
        lines = [f"{method} {path} HTTP/1.1", "Host: test", *(f"{name}: {value}" for name, value in headers)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_while_taken(self, pieces: Iterable[bytes]) -> None:
        """Sends until the server, which may refuse in the middle, takes no more."""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for piece in pieces:
                self.send(piece)

    def half_close(self) -> None:
        """No more comes from this side."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """The client dies: the server gets RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def expect_continue(self) -> None:
        """The server is asking for the body: it began the upload."""
        assert self.socket.recv(len(CONTINUE), socket.MSG_WAITALL) == CONTINUE

    def answer(self) -> Answer:
        """The final answer. Raises IncompleteRead or OSError if it ends early."""
        response = http.client.HTTPResponse(self.socket, method=self._method)
        with contextlib.closing(response):
            response.begin()
            names = [name.lower() for name, _ in response.getheaders()]
            assert len(names) == len(set(names)), f"a header is given twice: {names}"
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, response.reason, headers, response.read())

    def everything(self) -> bytes:
        """All bytes up to the end of the connection."""
        return b"".join(iter(lambda: self.socket.recv(65536), b""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.socket.close()
