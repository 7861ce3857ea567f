"""An S3 server by hand, whose answers a test writes down: it stalls, drips, or never says a word."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from imgstore.drivers.s3 import S3Driver
from imgstore.testing.faults.listener import Listener
from tests.s3.support import PART

BEGUN = (
    b"<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId>"
    b"</InitiateMultipartUploadResult>"
)
COMPLETED = b"<CompleteMultipartUploadResult><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>"


@dataclass
class Request:
    """One that came: its head, and its connection to answer by."""

    method: str
    query: str
    headers: dict[str, str]
    connection: socket.socket
    body: bytes = b""

    def answer(self, body: bytes = b"", *, status: str = "200 OK", sent: int | None = None, **headers: str) -> None:
        """The head, and the first `sent` bytes of the body."""
        told = {"Content-Length": str(len(body)), "Last-Modified": "Mon, 02 Mar 2026 10:00:00 GMT"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self.connection.sendall(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body[:sent])

    def range_of(self, data: bytes, *, sent: int | None = None) -> None:
        """The range of an object that was asked for; `sent` bytes of it."""
        first, last = (int(number) for number in self.headers["range"].removeprefix("bytes=").split("-"))
        last = min(last, len(data) - 1)
        told = {"ETag": '"e"', "Content_Range": f"bytes {first}-{last}/{len(data)}"}
        self.answer(data[first : last + 1], status="206 Partial Content", sent=sent, **told)

    def drip(self, *, pause: float = 0.02) -> None:
        """A byte now and then, until the other side goes."""
        while True:
            self.connection.sendall(b" ")
            time.sleep(pause)

    def hang(self) -> None:
        """Not a word more, until the other side goes."""
        while self.connection.recv(65536):
            pass


Answer: TypeAlias = "Callable[[Request], None]"


class HungServer:
    """Calls `answer` with each request, whose body it takes after `slow` seconds; `requests` are those that came, as
    `GET` or `DELETE uploadId=u`."""

    def __init__(self, answer: Answer, *, tls: tuple[Path, Path] | None = None, slow: float = 0.0) -> None:
        self.requests: list[str] = []
        self._answer = answer
        self._slow = slow
        self._tls = tls
        self._ended = threading.Event()
        self._listener = Listener(self._serve, tls=tls)
        self._listener.start()

    @classmethod
    @contextlib.contextmanager
    def answering(cls, answer: Answer, **options: Any) -> Iterator[HungServer]:
        """One that ends with the test."""
        server = cls(answer, **options)
        try:
            yield server
        finally:
            server._ended.set()
            server._listener.stop()

    def driver(self, **options: Any) -> S3Driver:
        """One to this server; it waits an hour for a byte unless a test says how long."""
        url = f"{self._listener.scheme}://127.0.0.1:{self._listener.port}"
        given: dict[str, Any] = {
            "endpoint_url": url, "bucket": "bucket", "access_key": "a", "secret_key": "s", "region": "us-east-1",
            "read_timeout": 3600.0, "part_size": PART, "read_block_size": PART,
            "ca_bundle": None if self._tls is None else str(self._tls[0]),
        }  # fmt: skip
        return S3Driver(**{**given, **options})

    def count(self, beginning: str) -> int:
        """Requests that begin so."""
        return sum(request.startswith(beginning) for request in self.requests)

    def _serve(self, connection: socket.socket) -> None:
        file = connection.makefile("rb")
        while line := file.readline():
            method, target, _ = line.decode().split()
            head = iter(file.readline, b"\r\n")
            pairs = (each.decode().strip().split(": ", 1) for each in head)
            request = Request(method, target.partition("?")[2], {n.lower(): v for n, v in pairs}, connection)
            self.requests.append(f"{method} {request.query}".strip())
            if "expect" in request.headers:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._ended.wait(self._slow)
            request.body = file.read(int(request.headers.get("content-length", 0)))
            self._answer(request)


def upload(request: Request) -> bool:
    """Answers what an upload in parts asks for but its parts; whether that was it."""
    if request.query.startswith("uploads"):
        request.answer(BEGUN)
    elif request.method == "POST":
        request.answer(COMPLETED)
    else:
        return False
    return True


def part(request: Request) -> None:
    """Takes a part."""
    request.answer(ETag=f'"{hashlib.md5(request.body, usedforsecurity=False).hexdigest()}"')


def ends(call: Callable[[], object]) -> BaseException | None:
    """Runs `call` on a thread, and fails the test if it does not end; what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - of any class: the test looks at it
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits for a server that never answers"
    return raised[0] if raised else None
