"""The examples are run as a reader would run them, and used over real HTTP."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from imgstore.driver.place import MARK_NAME
from tests.support.client import OCTETS, Answer, Client, OpenUpload, first_line

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
HOSTS: dict[str, dict[str, str]] = {
    "flask_host.py": {"X-Auth-Token": "swordfish"},
    "starlette_host.py": {"X-Project-Id": "bob"},
}
STRANGER = {"X-Auth-Token": "open sesame", "X-Project-Id": "ann"}
LONGEST = 60
DATA = os.urandom(1_000_007)
PATIENCE = 60.0


class Host:
    """An example under way; requests carry what makes them those of one user."""

    def __init__(self, process: subprocess.Popen[str], images: Path, who: Mapping[str, str]) -> None:
        self._process, self.images, self.who = process, images, dict(who)
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.search(r"http://\S+:\d+", line):
                self.client = Client(match[0])
                return
        raise AssertionError("the host did not start")

    def request(self, method: str, path: str, *, body: bytes | Iterator[bytes] | None = None, **headers: str) -> Answer:
        sent = {**self.who, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.request(method, path, body=body, headers=sent)

    def create(self) -> str:
        answer = self.request("POST", "/v2/images")
        assert answer.status == 201
        image_id: str = answer.json()["id"]
        return image_id

    def upload(self, image_id: str, body: bytes | Iterator[bytes], **headers: str) -> Answer:
        return self.request("PUT", file_of(image_id), body=body, **{"Content_Type": OCTETS["Content-Type"], **headers})

    def begin(self, image_id: str) -> OpenUpload:
        """A chunked upload whose headers were taken."""
        headers = {**self.who, **OCTETS, "Transfer-Encoding": "chunked", "Expect": "100-continue"}
        return OpenUpload(self.client.connect("PUT", file_of(image_id), headers), chunked=True)

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.terminate()

    def wait(self) -> None:
        """Returns when it has ended."""
        self._process.wait(PATIENCE)


def file_of(image_id: str) -> str:
    return f"/v2/images/{image_id}/file"


@contextlib.contextmanager
def started(name: str, directory: Path) -> Iterator[Host]:
    """Inside, the example runs with a store of its own and images of at most 8 MB."""
    images, configuration = directory / "images", directory / "imgstore.conf"
    configuration.write_text(
        f"[imgstore]\nenabled_stores = files:filesystem\nmax_image_size = 8000000\n\n[files]\ndatadir = {images}\n"
    )
    command = [sys.executable, str(EXAMPLES / name), str(configuration), "0"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield Host(process, images, HOSTS[name])
        finally:
            process.kill()


@pytest.fixture(scope="module", params=HOSTS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Each example, started once."""
    with started(request.param, tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture
def host(running: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A test may ask as somebody else."""
    monkeypatch.setattr(running, "who", dict(running.who))
    return running


def test_an_example_can_be_read_in_one_sitting() -> None:
    lengths = {path.name: path.read_text().count("\n") for path in EXAMPLES.glob("*.py")}
    assert lengths.keys() > HOSTS.keys()
    assert {name for name, length in lengths.items() if length >= LONGEST} == set()


def test_an_image_comes_out_as_it_went_in(host: Host) -> None:
    for body in (DATA, iter([DATA[:1000], DATA[1000:]])):
        image_id = host.create()
        assert host.request("GET", file_of(image_id)).status == 204
        assert host.upload(image_id, body).status == 204
        assert host.request("GET", file_of(image_id)).body == DATA
        part = host.request("GET", file_of(image_id), Range="bytes=5-9")
        assert (part.status, part.body) == (206, DATA[5:10])
        assert host.request("HEAD", file_of(image_id)).headers["content-length"] == str(len(DATA))
        assert host.upload(image_id, DATA).status == 409


def test_what_belongs_to_somebody_else_is_not_there(host: Host) -> None:
    image_id = host.create()
    host.who.update(STRANGER)
    assert host.upload(image_id, DATA).status == 404
    assert host.request("GET", file_of(image_id)).status == 404


def test_a_doomed_upload_is_refused_before_its_body(host: Host) -> None:
    headers = {**host.who, **OCTETS, "Content-Length": "8000001", "Expect": "100-continue"}
    with host.client.connect("PUT", file_of(host.create()), headers) as connection:
        assert first_line(connection) == b"HTTP/1.1 413"


def test_undone_an_upload_that_breaks_leaves_nothing_and_can_be_tried_again(host: Host) -> None:
    image_id, objects = host.create(), len(os.listdir(host.images))
    upload = host.begin(image_id)
    upload.send(DATA)
    assert host.upload(image_id, DATA).status == 409
    with contextlib.suppress(http.client.RemoteDisconnected):  # uvicorn closes the connection without an answer
        assert upload.end_side().status == 400
    while (status := host.upload(image_id, DATA).status) == 409:
        pass  # ... and before the upload is undone
    assert (status, len(os.listdir(host.images))) == (204, objects + 1)


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_that_is_stopped_lets_its_upload_end(name: str, tmp_path: Path) -> None:
    with started(name, tmp_path) as host:
        upload = host.begin(host.create())
        upload.send(DATA)
        host.terminate()
        assert upload.finish().status == 204
        host.wait()
        assert [path.stat().st_size for path in host.images.iterdir() if path.name != MARK_NAME] == [len(DATA)]


@pytest.mark.parametrize("running", ["flask_host.py"], indirect=True)
def test_a_request_without_a_token_is_refused_by_the_host_and_by_the_data_application(host: Host) -> None:
    image_id = host.create()
    host.who.clear()
    for answer in (host.request("POST", "/v2/images"), host.upload(image_id, DATA)):
        assert (answer.status, "X-Auth-Token" in answer.body.decode()) == (401, True)
