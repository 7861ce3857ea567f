"""The service as a process: how it starts, refuses to start, stops, and comes back after it was killed."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.filesystem.staging import hidden_name, key_of
from imgstore.service import standalone
from imgstore.service.standalone import file_lock
from imgstore.sql import address_of_file, parse
from tests.needs import needs
from tests.support.client import Client
from tests.support.packages import FAR_FROM_TMP
from tests.support.service import Options, ServiceProcess, refusal, signals_are_heard

RUN = "import runpy; runpy.run_module('imgstore.service', run_name='__main__', alter_sys=True)"


def hidden_names(datadir: Path, key: str) -> list[str]:
    """Of the files that wait to become an object of that key."""
    return [name for name in os.listdir(datadir) if key_of(name) == key]


LATER = ("postgresql://user:secret@127.0.0.1:1/db", "mysql://user:secret@127.0.0.1:1/db")
DATABASES = {
    "oracle://user:secret@127.0.0.1/db": ": it begins with none",
    "postgresql://user:secret@host:port/db": ": it is not a URL", "sqlite://": ": it is a database in memory",
    "/proc/nowhere/db": "",
}  # fmt: skip
MISTAKES: tuple[tuple[Options, str], ...] = (
    ({"imgstore": {"enabled_stores": "fast:nosuch, slow:filesystem"}}, "nosuch"),
    ({"imgstore": {"default_store": "none"}}, "[imgstore] default_store"),
    ({"fast": {"datadir": "/dev/null/images"}}, "[fast] datadir"),
    ({"fast": {"file_mode": "rw"}}, "[fast] file_mode"),
    ({"service": {"threads": 0}}, "[service] threads"),
    ({"service": {"upload_lease": 0}}, "[service] upload_lease"),
    ({"service": {"upload_lease": "nan"}}, "[service] upload_lease"),
    ({"service": {"recovery_interval": 0}}, "[service] recovery_interval"),
    ({"service": {"port": "http"}}, "[service] port"),
    ({"service": {"share_port": True}}, "[service] share_port"),
    ({"service": {"no_such_option": 1}}, "[service] no_such_option"),
    *(({"service": {"database": url}}, f"[service] database{why}") for url, why in DATABASES.items()),
)


def test_mistake_in_the_configuration_stops_the_start_with_one_line(tmp_path: Path) -> None:
    for options, expected in MISTAKES:
        line = ServiceProcess(tmp_path, options=options).refusal()
        assert expected in line
        assert "secret" not in line


def test_database_that_does_not_answer_is_another_exit_status_than_a_mistake(tmp_path: Path) -> None:
    for url in LATER:
        line = ServiceProcess(tmp_path, options={"service": {"database": url}}).refusal(status=5)
        assert line.startswith("imgstore: [service] database: ")
        assert "127.0.0.1" in line
        assert "onnection refused" in line
        assert "secret" not in line


def test_process_that_refuses_to_start_prints_one_line_and_leaves_nothing_at_home(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = [*ServiceProcess(tmp_path).command()[3:-1], str(taken.getsockname()[1])]
        command = [sys.executable, "-c", FAR_FROM_TMP + RUN, *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
        environment["HOME"] = str(tmp_path / "home")
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    (line,) = (line for line in done.stderr.splitlines() if " INFO " not in line)
    assert (done.returncode, done.stdout) == (2, "")
    assert "[service] port" in line
    assert not (tmp_path / "home").exists()


def test_missing_configuration_file_stops_the_start_with_one_line(tmp_path: Path) -> None:
    assert "none.conf" in refusal("--config-file", str(tmp_path / "none.conf"))


def test_damaged_database_stops_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "imgstore.sqlite").write_bytes(b"this is no database" * 100)
    assert "[service] database" in ServiceProcess(tmp_path).refusal()


def test_second_process_on_the_same_file_lets_the_uploads_of_the_first_be(service: ServiceProcess) -> None:
    image_id, other = service.client.create(), service.client.create()
    with service.client.begin_upload(image_id, length=8) as upload:
        upload.send(b"half")
        with service.another() as second:
            assert second.client.show(image_id)["status"] == "saving"
            assert second.client.upload(image_id, b"mine").status == 409
            assert second.client.upload(other, b"data").status == 204
            upload.send(b"more")
            assert upload.finish().status == 204
    assert service.client.download(other).body == b"data"
    assert service.client.download(image_id).body == b"halfmore"


def test_first_configuration_is_whole_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(errors.ConfigurationError, match="--data-dir"):
            standalone.standalone_configuration(tmp_path)
    assert list(tmp_path.iterdir()) == []
    path = standalone.standalone_configuration(tmp_path)
    path.write_text("mine")
    assert standalone.standalone_configuration(tmp_path).read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_process_that_does_not_share_its_database_stops_the_start(tmp_path: Path) -> None:
    address = address_of_file(tmp_path / "database")
    with file_lock(address) as first, file_lock(address) as second:
        assert (first.alone, second.alone) == (True, False)
        with pytest.raises(errors.ConfigurationError, match=r"\[service\] database"):
            second.share(0.1)
        first.share()
        second.share()
        with file_lock(address) as third:
            assert not third.alone
    with file_lock(address) as later:
        assert later.alone


def test_no_link_to_the_database_hides_another_process(tmp_path: Path) -> None:
    """A process that thinks it is alone would end the uploads of the other."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "db").touch()
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "file").symlink_to("real/db")
    with file_lock(address_of_file(tmp_path / "real" / "db")) as first:
        for link in (tmp_path / "folder" / "db", tmp_path / "file"):
            for address in (address_of_file(link), parse(f"sqlite:///{link}")):
                with file_lock(address) as second:
                    assert (first.alone, second.alone) == (True, False)
    (tmp_path / "other").hardlink_to(tmp_path / "real" / "db")
    for name in ("real/db", "other"):
        with pytest.raises(errors.ConfigurationError, match="second name"), file_lock(address_of_file(tmp_path / name)):
            pass
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(errors.ConfigurationError, match="is not a file"), file_lock(address_of_file(path)):
            pass


@needs("curl", why="the lines that the service prints are run")
def test_printed_lines_create_upload_and_download(tmp_path: Path) -> None:
    (tmp_path / "FILE").write_bytes(b"what a newcomer uploads")
    command = [sys.executable, "-m", "imgstore.service", "--data-dir", "data", "--port", "0"]
    with (tmp_path / "log").open("w") as log, signals_are_heard():
        service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=tmp_path)
    try:
        assert service.stdout is not None
        printed = [service.stdout.readline() for _ in range(9)]
        script = "".join(line for line in printed if line.startswith("  "))
        done = subprocess.run(["sh", "-eux"], input=script, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "COPY").read_bytes() == b"what a newcomer uploads"
        assert {path.name for path in tmp_path.iterdir()} == {"FILE", "COPY", "data", "log"}
    finally:
        service.send_signal(signal.SIGINT)
        service.communicate(timeout=60)
    assert service.returncode == 0


def test_undone_object_committed_by_a_dead_attempt_is_removed(service: ServiceProcess) -> None:
    image_id = service.client.create()
    with service.client.begin_upload(image_id, length=8, store="slow"):
        service.kill()
    (service.stores["slow"] / image_id).write_bytes(b"committed, never active")
    (service.stores["slow"] / f"{image_id}.7").write_bytes(b"of somebody else")
    service.start()
    assert service.objects() == [f"{image_id}.7"]
    assert service.client.show(image_id)["status"] == "queued"


def test_undone_leftovers_of_a_store_are_purged_at_the_start(service: ServiceProcess) -> None:
    """At once where an attempt ended that the catalog knows; by their age where it knows nothing."""
    image_id = service.client.create()
    with service.client.begin_upload(image_id, length=8) as upload:
        upload.send(b"half")
    service.terminate()
    slow = service.stores["slow"]
    (slow / hidden_name(image_id)).write_bytes(b"partial")
    (slow / hidden_name("old")).write_bytes(b"partial")
    os.utime(slow / hidden_names(slow, "old")[0], (0, 0))
    (slow / hidden_name("young")).write_bytes(b"partial")
    (slow / "kept").write_bytes(b"whole")
    service.start()
    assert (service.leftovers(), service.objects()) == (hidden_names(slow, "young"), ["kept"])


def test_eight_images_at_once(client: Client) -> None:
    images = {client.create(): os.urandom(200_000 + number) for number in range(8)}
    barrier = threading.Barrier(len(images))

    def upload(image_id: str) -> int:
        data = images[image_id]
        barrier.wait()
        return client.upload(image_id, (data[at : at + 10_000] for at in range(0, len(data), 10_000))).status

    with ThreadPoolExecutor(len(images)) as pool:
        assert set(pool.map(upload, images)) == {204}
    assert {image_id: client.download(image_id).body for image_id in images} == images
