"""https: uploads and downloads through it, what a bad client cannot do, and what stops the start."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.service.server.tls import TLSAdapter, TLSSocket, tls_context
from tests.support.certificates import write_certificate
from tests.support.client import Client
from tests.support.service import ServiceProcess
from tests.support.waiting import PATIENCE, until

PAGE = Path(__file__).parent.parent.parent / "doc" / "operations" / "tls.md"
CONTENT = bytes(range(256)) * 16384


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def service(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    options = {"tls_certificate": certificate[0], "tls_key": certificate[1], "threads": 2, "body_timeout": 3}
    with ServiceProcess(tmp_path_factory.mktemp("service"), options={"service": options}) as running:
        yield running


@pytest.fixture
def secure(service: ServiceProcess, certificate: tuple[Path, Path]) -> Client:
    """A client that trusts the test's certificate and no other."""
    return Client(service.client.url, tls=ssl.create_default_context(cafile=str(certificate[0])))


def test_image_goes_in_and_comes_out_over_tls(secure: Client) -> None:
    assert secure.url.startswith("https://")
    for body in (CONTENT, iter([CONTENT[:100_000], CONTENT[100_000:]])):
        made = secure.post("/v2/images", {"disk_format": "raw", "container_format": "bare"})
        image_id = made.json()["id"]
        assert made.headers["location"] == f"{secure.url}/v2/images/{image_id}"
        assert secure.upload(image_id, body).status == 204
        assert secure.download(image_id).body == CONTENT


def test_refused_upload_is_answered_over_tls_before_its_body(secure: Client) -> None:
    assert secure.upload("nothing", CONTENT).status == 404


def test_client_that_breaks_off_leaves_nothing(secure: Client, service: ServiceProcess) -> None:
    image_id = secure.create()
    head = f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
    assert secure.tls is not None
    with socket.create_connection(secure.address, PATIENCE) as plain:
        wrapped = secure.tls.wrap_socket(plain, server_hostname="127.0.0.1")
        wrapped.sendall(f"{head}Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n".encode())
        assert wrapped.recv(12) == b"HTTP/1.1 100"
        wrapped.sendall(b"half")
        wrapped.close()
    until(lambda: secure.show(image_id)["status"] == "queued")
    assert service.leftovers() == []


def test_clients_that_say_nothing_keep_nobody_out(secure: Client) -> None:
    with contextlib.ExitStack() as silent:
        for _ in range(20):
            silent.enter_context(socket.create_connection(secure.address, PATIENCE))
        assert secure.get("/healthcheck").status == 200


def test_plain_http_on_the_tls_port_is_not_served(service: ServiceProcess, secure: Client) -> None:
    with socket.create_connection(secure.address, PATIENCE) as plain:
        plain.sendall(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in plain.recv(100)
    assert secure.get("/healthcheck").status == 200
    assert "Traceback" not in service.log.read_text()


def test_versions_before_1_2_are_not_offered(certificate: tuple[Path, Path]) -> None:
    context = tls_context(str(certificate[0]), str(certificate[1]))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED


def test_connections_of_a_renewed_context_never_leave_tls_either(certificate: tuple[Path, Path]) -> None:
    adapter = TLSAdapter(tls_context(str(certificate[0]), str(certificate[1])))
    adapter.renew(tls_context(str(certificate[0]), str(certificate[1])))
    with socket.socket() as plain, adapter.wrap(plain)[0] as wrapped:
        assert isinstance(wrapped, TLSSocket)


UNUSABLE = (
    ("certificate.pem", None, None, "tls_key: is not set"), (None, "key.pem", None, "tls_certificate: is not set"),
    ("missing.pem", "key.pem", None, "tls_certificate"),
    ("certificate.pem", "certificate.pem", None, "tls_certificate"),
    ("certificate.pem", "locked/key.pem", None, "tls_certificate"),
    ("certificate.pem", "key.pem", "ROT13", "tls_ciphers"),
)  # fmt: skip


def test_unusable_certificate_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "locked").mkdir()
    write_certificate(tmp_path)
    write_certificate(tmp_path / "locked", passphrase=b"hunter2")
    for certificate, key, ciphers, expected in UNUSABLE:
        options = {"tls_certificate": certificate, "tls_key": key, "tls_ciphers": ciphers}
        assert f"[service] {expected}" in ServiceProcess(tmp_path, options={"service": options}).refusal()


def test_commands_of_the_page_find_a_bad_pair_and_install_a_good_one(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    look, install = re.findall(r"(?m)^```sh\n((?:.*\n)+?)```$", PAGE.read_text())
    (tmp_path / "new").mkdir()
    (tmp_path / "other").mkdir()
    other = write_certificate(tmp_path / "other")[1]
    soon = look.replace("2592000", "60")
    for script, key, status in ((look, certificate[1], 1), (soon, other, 1), (soon, certificate[1], 0)):
        shutil.copy(certificate[0], tmp_path / "tls.pem")
        shutil.copy(key, tmp_path / "tls.key")
        assert _run(script, tmp_path) == status
    assert _run(install, tmp_path) == 0
    assert tls_context(str(tmp_path / "new" / "tls.pem"), str(tmp_path / "new" / "tls.key"), None)


def _run(script: str, directory: Path) -> int:
    environ = {**os.environ, "DIRECTORY": str(directory / "new")}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=directory, env=environ, capture_output=True, check=False)
    return done.returncode
