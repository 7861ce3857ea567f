"""The configurations of nginx and HAProxy in doc/operations as they stand, with one of two machines down."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import find_server, needs_server
from tests.support.certificates import write_certificate
from tests.support.client import OCTETS, Client
from tests.support.running import Running
from tests.support.service import ServiceProcess
from tests.support.waiting import until

PAGE = Path(__file__).parent.parent.parent / "doc" / "operations" / "several-machines.md"
PUBLIC = "https://images.example.org"
TEMPORARY = " ".join(f"{name}_temp_path temporary;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
AROUND = {
    "nginx": f"""
daemon off; master_process off; pid nginx.pid; error_log stderr; events {{{{}}}}
http {{{{ access_log off; {TEMPORARY}
{{}}}}}}
""",
    "haproxy": "global\n    maxconn 200\n{}",
}
"""What the page leaves out: where the block stands, and how it runs in a test."""
ARGUMENTS = {"nginx": ["-e", "stderr", "-p", ".", "-c"], "haproxy": ["-db", "-f"]}
CONTENT = bytes(range(256)) * 16384


class Proxy(Running):
    """The program with the page's block of its name, before a service and an address where nobody listens."""

    def __init__(self, name: str, root: Path, service: Client) -> None:
        self.name, self._root = name, root
        port, nobody = _free_ports()
        certificate, key = write_certificate(root)
        (root / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
        (block,) = re.findall(rf"^```{name}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        for pattern, found in (
            (r"192\.0\.2\.11:9292", f"127.0.0.1:{nobody}"), (r"192\.0\.2\.12:9292", "{}:{}".format(*service.address)),
            (r"(listen |bind :)443", rf"\g<1>{port}"), (r"/etc/\w+/images\.pem", str(root / "both.pem")),
            (r"/etc/\w+/images\.key", str(key)),
        ):  # fmt: skip
            block, count = re.subn(pattern, found, block)
            assert count or "key" in pattern, pattern
        (root / "proxy.conf").write_text(AROUND[name].format(block))
        trust = ssl.create_default_context(cafile=str(certificate))
        self.client = Client(f"https://127.0.0.1:{port}", tls=trust)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        program = find_server(self.name)
        with (self._root / "proxy.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(program), *ARGUMENTS[self.name], "proxy.conf"], cwd=self._root, stderr=log
            )
        until(self._answers)

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._root / "proxy.log").read_text()
        try:
            return self.client.get("/healthcheck").status == 200
        except OSError:
            return False


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    options = {"service": {"public_endpoint": PUBLIC}}
    with ServiceProcess(tmp_path_factory.mktemp("service"), options=options) as running:
        yield running


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=needs_server(name, why="its configuration is in the documents")) for name in AROUND
    ],
)
def proxy(
    request: pytest.FixtureRequest, service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with Proxy(request.param, tmp_path_factory.mktemp(request.param), service.client) as running:
        yield running


def test_image_goes_in_and_comes_out_through_the_proxy(proxy: Proxy) -> None:
    for body in (CONTENT, iter([CONTENT[:100_000], CONTENT[100_000:]])):
        made = proxy.client.post("/v2/images", {"disk_format": "raw", "container_format": "bare"})
        image_id = made.json()["id"]
        assert made.headers["location"] == f"{PUBLIC}/v2/images/{image_id}"
        assert proxy.client.upload(image_id, body).status == 204
        assert proxy.client.download(image_id).body == CONTENT
        assert proxy.client.download(image_id, range="bytes=1-2").body == CONTENT[1:3]
    assert proxy.client.get("/metrics").status == 403


@pytest.mark.parametrize("length", [1000, None])
def test_body_passes_as_it_comes_and_a_client_that_dies_leaves_nothing(
    proxy: Proxy, service: ServiceProcess, length: int | None
) -> None:
    image_id = proxy.client.create()
    upload = proxy.client.begin_upload(image_id, length=length)
    upload.send(b"half")
    until(lambda: service.catalog.uploads() == 1)
    upload.reset()
    until(lambda: service.catalog.status(image_id) == "queued")
    assert service.leftovers() == []


def test_only_haproxy_leaves_the_request_for_a_body_to_the_service(proxy: Proxy) -> None:
    headers = {**OCTETS, "X-Image-Meta-Store": "nowhere", "Content-Length": "1000", "Expect": "100-continue"}
    with proxy.client.connect("PUT", f"/v2/images/{proxy.client.create()}/file", headers) as connection:
        assert connection.recv(12) == {"nginx": b"HTTP/1.1 100", "haproxy": b"HTTP/1.1 400"}[proxy.name]
