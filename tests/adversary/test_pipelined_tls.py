"""Requests sent without waiting: over TLS, too, where what was decrypted with the first is in no socket any more."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from imgstore.service.server.server import Server
from imgstore.service.server.tls import tls_context

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def self_signed(directory: Path) -> tuple[str, str]:
    """The files of a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    today = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(today).not_valid_after(today + datetime.timedelta(days=1))
    certificate, key_file = directory / "certificate.pem", directory / "key.pem"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    return str(certificate), str(key_file)


def read_and_answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    environ["wsgi.input"].read()
    start_response("204 No Content", [])
    return []


@pytest.mark.parametrize("length", [0, 9000, 15900])
def test_request_in_the_same_tls_record_is_answered(tmp_path: Path, length: int) -> None:
    context = tls_context(*self_signed(tmp_path))
    server = Server(("127.0.0.1", 0), read_and_answer, threads=2, read_timeout=30, grace=30, tls=context)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    client = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    first = f"PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n".encode() + bytes(length)
    try:
        with client.wrap_socket(socket.create_connection(server.bind_addr[:2], timeout=30)) as connection:
            connection.sendall(first + b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            answers = b"".join(iter(lambda: connection.recv(65536), b""))
    finally:
        server.stop()
        thread.join()
    assert answers.count(b"HTTP/1.1 204 ") == 2
