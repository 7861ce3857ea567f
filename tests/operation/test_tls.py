"""https: uploads and downloads through it, what a bad client cannot do, and what stops the start."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.service.server.tls import tls_context
from tests.operation.certificates import write_certificate
from tests.support.client import OCTETS
from tests.support.service import ServiceProcess

CONTENT = bytes(range(256)) * 16384
PATIENCE = 60.0


class Secure:
    """Requests over TLS, which trust the test's certificate and no other."""

    def __init__(self, service: ServiceProcess, certificate: Path) -> None:
        self.address = service.client.address
        self.context = ssl.create_default_context(cafile=str(certificate))

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of one answer."""
        connection = http.client.HTTPSConnection(*self.address, context=self.context, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]  # any body will do
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def create(self) -> tuple[str, str]:
        """A new image and its Location."""
        body = json.dumps({"disk_format": "raw", "container_format": "bare"})
        status, headers, made = self.ask("POST", "/v2/images", body)
        assert status == 201
        return json.loads(made)["id"], headers["Location"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def service(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    options = {"tls_certificate": certificate[0], "tls_key": certificate[1], "threads": 2, "body_timeout": 3}
    with ServiceProcess(tmp_path_factory.mktemp("service"), options={"service": options}) as running:
        yield running


@pytest.fixture
def secure(service: ServiceProcess, certificate: tuple[Path, Path]) -> Secure:
    return Secure(service, certificate[0])


def test_image_goes_in_and_comes_out_over_tls(secure: Secure, service: ServiceProcess) -> None:
    for body in (CONTENT, iter([CONTENT[:100_000], CONTENT[100_000:]])):
        image_id, location = secure.create()
        assert location == f"{service.client.url}/v2/images/{image_id}"
        assert location.startswith("https://")
        assert secure.ask("PUT", f"/v2/images/{image_id}/file", body, **OCTETS)[0] == 204
        assert secure.ask("GET", f"/v2/images/{image_id}/file")[2] == CONTENT


def test_refused_upload_is_answered_over_tls_before_its_body(secure: Secure) -> None:
    assert secure.ask("PUT", "/v2/images/nothing/file", CONTENT, **OCTETS)[0] == 404


def test_client_that_breaks_off_leaves_nothing(secure: Secure, service: ServiceProcess) -> None:
    image_id, _ = secure.create()
    head = f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
    with socket.create_connection(secure.address, PATIENCE) as plain:
        wrapped = secure.context.wrap_socket(plain, server_hostname="127.0.0.1")
        wrapped.sendall(f"{head}Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n".encode())
        assert wrapped.recv(12) == b"HTTP/1.1 100"
        wrapped.sendall(b"half")
        wrapped.close()
    status, _, retried = secure.ask("GET", f"/v2/images/{image_id}")
    while json.loads(retried)["status"] == "saving":
        status, _, retried = secure.ask("GET", f"/v2/images/{image_id}")
    assert (status, json.loads(retried)["status"], service.leftovers()) == (200, "queued", [])


def test_clients_that_say_nothing_keep_nobody_out(secure: Secure) -> None:
    with contextlib.ExitStack() as silent:
        for _ in range(20):
            silent.enter_context(socket.create_connection(secure.address, PATIENCE))
        assert secure.ask("GET", "/healthcheck")[0] == 200


def test_plain_http_on_the_tls_port_is_not_served(service: ServiceProcess, secure: Secure) -> None:
    with socket.create_connection(secure.address, PATIENCE) as plain:
        plain.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in plain.recv(100)
    assert secure.ask("GET", "/healthcheck")[0] == 200
    assert "Traceback" not in service.log.read_text()


def test_versions_before_1_2_are_not_offered(certificate: tuple[Path, Path]) -> None:
    context = tls_context(str(certificate[0]), str(certificate[1]))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tls_certificate": "certificate.pem"}, "[service] tls_key: is not set"),
        ({"tls_key": "key.pem"}, "[service] tls_certificate: is not set"),
        ({"tls_certificate": "missing.pem", "tls_key": "key.pem"}, "[service] tls_certificate"),
        ({"tls_certificate": "certificate.pem", "tls_key": "certificate.pem"}, "[service] tls_certificate"),
        ({"tls_certificate": "certificate.pem", "tls_key": "locked/key.pem"}, "[service] tls_certificate"),
        ({"tls_certificate": "certificate.pem", "tls_key": "key.pem", "tls_ciphers": "ROT13"}, "[service] tls_ciphers"),
    ],
)
def test_unusable_certificate_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_certificate(tmp_path)
    (tmp_path / "locked").mkdir()
    write_certificate(tmp_path / "locked", passphrase=b"hunter2")
    assert expected in ServiceProcess(tmp_path, options={"service": options}).refusal()
