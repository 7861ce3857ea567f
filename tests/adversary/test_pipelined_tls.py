"""Requests sent without waiting: over TLS, too, where what was decrypted with the first is in no socket any more."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgstore.service.server.server import Server
from imgstore.service.server.tls import tls_context
from tests.support.certificates import write_certificate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def read_and_answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    environ["wsgi.input"].read()
    start_response("204 No Content", [])
    return []


@pytest.mark.parametrize("length", [0, 9000, 15900])
def test_request_in_the_same_tls_record_is_answered(tmp_path: Path, length: int) -> None:
    certificate, key = write_certificate(tmp_path)
    context = tls_context(str(certificate), str(key))
    server = Server(("127.0.0.1", 0), read_and_answer, threads=2, read_timeout=30, grace=30, tls=context)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    client = ssl.create_default_context(cafile=str(certificate))
    first = f"PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n".encode() + bytes(length)
    try:
        with client.wrap_socket(
            socket.create_connection(server.bind_addr[:2], timeout=30), server_hostname="127.0.0.1"
        ) as connection:
            connection.sendall(first + b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            answers = b"".join(iter(lambda: connection.recv(65536), b""))
    finally:
        server.stop()
        thread.join()
    assert answers.count(b"HTTP/1.1 204 ") == 2
