"""SIGTERM during ten uploads: within the grace period each has ended with 204, or has left nothing."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imgstore.service.server.ending import LEAST, Ending
from imgstore.sql import PARTS
from tests.support.client import OpenUpload
from tests.support.database_fixtures import Servers
from tests.support.service import ServiceProcess

HALF = b"x" * 100_000
FOR_EVER = 3600.0
"""Seconds of grace where what is tested is not its end."""


def lapse(service: ServiceProcess) -> None:
    """The grace period ends by itself."""


def hurry(service: ServiceProcess) -> None:
    """A second signal ends it."""
    service.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("moving", "end", "grace"), [pytest.param(6, hurry, FOR_EVER, marks=pytest.mark.long), (0, lapse, 5)]
)
def test_sigterm_during_ten_uploads_leaves_whole_images_or_nothing(
    tmp_path: Path, moving: int, end: Callable[[ServiceProcess], None], grace: float
) -> None:
    """The first `moving` ones go on, the others are stuck."""
    with ServiceProcess(tmp_path, options={"service": {"grace_period": grace, "threads": 32}}) as service:
        images = [service.client.create() for _ in range(10)]
        whole, nothing = images[:moving], images[moving:]
        with contextlib.ExitStack() as stack:
            uploads = {
                image_id: stack.enter_context(
                    service.client.begin_upload(image_id, length=None if number % 2 else 2 * len(HALF))
                )
                for number, image_id in enumerate(images)
            }
            for upload in uploads.values():
                upload.send(HALF)
            service.process.send_signal(signal.SIGTERM)
            assert [_ends_well(uploads[image_id]) for image_id in whole] == [True] * len(whole)
            end(service)
            assert service.wait() == 0
            assert [_is_cut(uploads[image_id]) for image_id in nothing] == [True] * len(nothing)
        assert service.objects() == sorted(whole)
        assert (service.leftovers(), service.catalog.uploads(), service.catalog.removals()) == ([], 0, [])
        assert [service.catalog.status(image_id) for image_id in whole] == ["active"] * len(whole)
        assert [service.catalog.status(image_id) for image_id in nothing] == ["queued"] * len(nothing)
        service.start()
        assert [len(service.client.download(image_id).body) for image_id in whole] == [2 * len(HALF)] * len(whole)
        assert {service.client.upload(image_id, b"retry").status for image_id in nothing} == {204}


def test_no_upload_begins_after_a_signal_and_the_one_under_way_goes_on(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, options={"service": {"grace_period": FOR_EVER}}) as service:
        held, late = service.client.create(), service.client.create()
        with service.client.begin_upload(held, length=4) as upload:
            service.process.send_signal(signal.SIGTERM)
            _wait_until_closed(service)
            with pytest.raises(ConnectionError):
                service.client.upload(late, b"late")
            assert service.process.poll() is None
            upload.send(b"held")
            assert upload.finish().status == 204
        assert service.wait() == 0
        assert [service.catalog.status(image_id) for image_id in (held, late)] == ["active", "queued"]
        assert (service.objects(), service.leftovers()) == ([held], [])


HUNG = """
import os, signal, threading
from imgstore.service.server import ending, shutdown
ending.LEAST = 0.1
class Hung:
    ending = ending.Ending(0.1)
    def serve(self): threading.Event().wait()
    stop = cut = serve
shutdown.serve(Hung(), announce=lambda: os.kill(os.getpid(), signal.SIGTERM))
"""


@pytest.mark.parametrize("grace", [0.0, 1.0, 5.0, 30.0])
def test_each_step_of_the_end_is_a_part_of_the_grace_period(grace: float) -> None:
    now = [100.0]
    ending = Ending(grace, clock=lambda: now[0])
    assert ending.cut < ending.served < ending.closed < ending.over == max(grace, LEAST)
    ending.begin()
    now[0] += ending.served
    ending.begin()  # another signal
    assert ending.left(ending.cut) == ending.left(ending.served) == 0
    assert ending.left(ending.over) == pytest.approx(ending.over - ending.served)


def test_what_hangs_at_the_end_does_not_keep_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", HUNG], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "ends with work undone" in ended.stderr) == (1, True)


@pytest.mark.long
def test_contained_a_database_that_hangs_holds_neither_health_nor_the_end(tmp_path: Path, servers: Servers) -> None:
    address = servers.tables("postgresql", PARTS)
    options = {"service": {"database": address, "grace_period": 1}}
    with ServiceProcess(tmp_path, options=options) as service:
        service.client.create()
        with servers["postgresql"].frozen(), socket.create_connection(service.client.address) as waiting:
            waiting.sendall(b"GET /v2/images HTTP/1.1\r\nHost: x\r\n\r\n")
            assert service.client.get("/healthcheck").status == 200
            assert service.terminate() == 0  # else the last resort ended it


def _wait_until_closed(service: ServiceProcess) -> None:
    """Returns when the signal has been noticed: nobody tells when that is."""
    with contextlib.suppress(ConnectionError):
        while service.client.get("/healthcheck").status == 200:
            pass


def _ends_well(upload: OpenUpload) -> bool:
    """The client sends the rest and is told that all is well."""
    upload.send(HALF)
    return upload.finish().status == 204


def _is_cut(upload: OpenUpload) -> bool:
    """Whether the client notices that its upload did not end well."""
    try:
        return upload.answer().status >= 400
    except OSError:
        return True
