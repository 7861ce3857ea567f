"""Many small images by several clients at once, each on one connection that stays.

The images exist before the clock starts: what is measured is the PUT. The clients are in one process and cost about a
tenth of a millisecond a request: they send a request that was made before, and look at the status only.
"""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.body import Body
from bench.http.servers import SECONDS, Peer, Target


@dataclass(frozen=True)
class Small:
    """What so many clients found: images a second, CPU milliseconds of the server's processes for each, seconds of an
    upload (the middle, and the 95th of a hundred), and what the server refused."""

    rate: float
    cpu: float
    median: float
    p95: float
    refused: list[str]

    def __str__(self) -> str:
        refused = f"  {len(self.refused)} failed: {self.refused[0]}" if self.refused else ""
        return (
            f"{self.rate:6.0f} a second  {self.cpu:6.2f} ms of CPU  "
            f"median {1000 * self.median:.0f} ms, 95 % {1000 * self.p95:.0f} ms{refused}"
        )


def measure(server: Peer, *, size: int, clients: int, uploads: int) -> Small:
    """`uploads` images of `size` bytes, by `clients` at once."""
    body = list(Body(size))
    requests = [_request(server, server.target(body), b"".join(body)) for _ in range(uploads)]
    took: list[float] = []
    refused: list[str] = []
    threads = [
        threading.Thread(target=_client, args=(server.address, requests[number::clients], took, refused))
        for number in range(clients)
    ]
    before, started = sum(server.processes.cpu()), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, used = time.perf_counter() - started, sum(server.processes.cpu()) - before
    done = len(took) or 1
    return Small(done / seconds, 1000 * used / done, statistics.median(took or [0.0]), _p95(took or [0.0]), refused)


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]


def _request(server: Peer, target: Target, body: bytes) -> bytes:
    headers = {"Host": server.address[0], "Content-Length": len(body), **target.headers}
    lines = [f"PUT {target.put} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _client(address: tuple[str, int], requests: Sequence[bytes], took: list[float], refused: list[str]) -> None:
    connection = socket.create_connection(address, timeout=SECONDS)
    for request in requests:
        began = time.perf_counter()
        connection.sendall(request)
        head = _head(connection)
        if head[9:12] in (b"201", b"204"):
            took.append(time.perf_counter() - began)
        else:
            refused.append(head.partition(b"\r\n")[0].decode("latin-1"))
        if refused or b"connection: close" in head.lower():
            connection.close()
            connection = socket.create_connection(address, timeout=SECONDS)
    connection.close()


def _head(connection: socket.socket) -> bytes:
    """The head of an answer without a body."""
    head = b""
    while b"\r\n\r\n" not in head:
        got = connection.recv(65536)
        if not got:
            return head + b"(the connection ended)"
        head += got
    return head
