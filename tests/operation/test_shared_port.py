"""Several processes behind one port: the kernel gives each connection to one of them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.support.service import ServiceProcess


@contextlib.contextmanager
def shared_port() -> Iterator[int]:
    """A port that nobody takes who does not share it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_processes_share_a_port_and_one_may_end(tmp_path: Path) -> None:
    with shared_port() as port:
        first = ServiceProcess(tmp_path, options={"service": {"share_port": True}})
        second = first.another()
        first.port = second.port = port
        second.log = tmp_path / "second.log"
        with first:
            with second:
                images = [first.client.create() for _ in range(40)]
            made = [process.log.read_text().count('"POST /v2/images" 201') for process in (first, second)]
            assert (sum(made), all(made)) == (40, True)
            assert {first.client.upload(image, b"data").status for image in images} == {204}
