"""`imgstore status`: what the service tells, or else what the database knows."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from imgstore.service import asking
from imgstore.service.options import load
from tests.cli.support import Shop
from tests.support.service import ServiceProcess


def test_service_is_asked_or_else_the_database(tmp_path: Path, shop: Shop) -> None:
    service = ServiceProcess(tmp_path)
    where = ["--config-file", str(service.configuration), "--data-dir", str(service.root)]
    with service:
        url = service.client.url
        service.client.upload(service.client.create(), bytes(7))
        found = shop.run("status", "--url", url, *where, "-f", "json").json()
        stores = {entry["name"]: entry["state"] for entry in found if entry["what"] == "store"}
        assert stores == {"fast": "up", "slow": "up"}
    done = shop.run("status", "--url", url, *where, "-f", "json")
    assert done.status == 5
    assert "no service answers at 127.0.0.1 port" in done.err
    told = {entry["name"]: entry["bytes"] for entry in json.loads(done.out) if entry["what"] == "store"}
    assert told == {"fast": 7, "slow": 0}
    for bad in ("imgstore.example.org", "ftp://host", "http://", "http://[::1", "http://127.0.0.1:99999"):
        done = shop.run("status", "--url", bad, *where)
        assert (done.status, done.out, done.err[:16]) == (2, b"", "imgstore: --url:"), bad


def test_contained_who_answers_byte_by_byte_or_nonsense_is_no_service(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    path.write_text("[imgstore]\nenabled_stores = a:memory\n")
    head = b"HTTP/1.0 200 OK\r\nContent-Length: 14\r\n\r\n"
    for answer, why in ((head, "no answer in 0.3 s"), (head + b'{"entries":[1]', "no service of this release")):
        with socket.create_server(("127.0.0.1", 0)) as server:
            ended = threading.Event()
            threading.Thread(target=_drip, args=(server, answer, ended), daemon=True).start()
            with pytest.raises(asking.NoAnswer, match=why):
                asking.ask(load([str(path)]), f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3)
            ended.set()


def test_certificate_that_cannot_be_read_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    path.write_text(
        f"[imgstore]\nenabled_stores = a:memory\n[service]\ntls_certificate = {tmp_path}/none\ntls_key = k\n"
    )
    with pytest.raises(asking.NoAnswer, match=f"certificate {tmp_path}/none cannot be used"):
        asking.ask(load([str(path)]))


def _drip(server: socket.socket, answer: bytes, ended: threading.Event) -> None:
    """Sends `answer`, and blanks until the end if it is not whole."""
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)
        while not answer.endswith(b"]") and not ended.wait(0.1):
            connection.sendall(b" ")
