"""Undone: a host whose processes are killed in mid-upload loses nothing, keeps nothing, and takes every retry."""

from __future__ import annotations

import http.client
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.examples.hosts import FASTAPI, GEVENT, SYNC, THREADS, Host, Server, file_of
from tests.support.rounds import rounds
from tests.support.waiting import until

DATA = random.Random(16).randbytes(1_500_007)
PIECE, PAUSE = 65_536, 0.004
LONGEST = 0.2
"""Seconds until a kill: about what the uploads take."""
TOGETHER = 4
KILLS = 3
"""Before what they left is waited for."""

EACH = {
    "django-threads": Server.django(*THREADS),
    "django-gevent": Server.django(*GEVENT),
    "paste-sync": Server.paste(*SYNC),
    "paste-gevent": Server.paste(*GEVENT),
    "fastapi-uvicorn": FASTAPI,
}
ONE_OF_EACH = ("django-threads", "paste-gevent", "fastapi-uvicorn")
SHORT = ("django-threads", "fastapi-uvicorn")
OTHERS = ("django-gevent", "paste-sync")


@pytest.mark.parametrize("name", [*SHORT, *(pytest.param(name, marks=pytest.mark.long) for name in OTHERS)])
def test_a_killed_process_leaves_nothing(name: str, tmp_path: Path) -> None:
    with Host(EACH[name], tmp_path) as host:
        _kill(host, random.Random(name))
        _expect_whole(host)


@pytest.mark.long
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_processes_that_are_killed_again_and_again_leave_nothing(name: str, tmp_path: Path) -> None:
    with Host(EACH[name], tmp_path) as host:
        for number in range(rounds(1)):
            for each in range(KILLS):
                _kill(host, random.Random(f"{name} {number} {each}"), part=(each, KILLS))
            _expect_whole(host)


def _kill(host: Host, chance: random.Random, part: tuple[int, int] = (0, 1)) -> None:
    """One of the processes that serve, while some images are uploaded; `part`: of the time until a kill, which of how
    many."""
    number, count = part
    images = [host.create() for _ in range(TOGETHER)]
    with ThreadPoolExecutor(TOGETHER) as clients:
        uploads = [clients.submit(_upload, host, image) for image in images]
        time.sleep(LONGEST * (number + chance.random()) / count)  # not to wait for anything: it is the random moment
        os.kill(chance.choice(until(host.workers)), signal.SIGKILL)
    for image, upload in zip(images, uploads, strict=True):
        assert upload.result() in (None, 204) or host.statuses()[image] != "active"
        assert upload.result() != 204 or host.statuses()[image] == "active"
    until(lambda: len(host.workers()) == 2)


def _upload(host: Host, image_id: str) -> int | None:
    """The status of the answer, if there is one."""
    try:
        return host.upload(image_id, _pieces()).status
    except (OSError, http.client.HTTPException):
        return None


def _pieces() -> Iterator[bytes]:
    for start in range(0, len(DATA), PIECE):
        yield DATA[start : start + PIECE]
        time.sleep(PAUSE)


def _expect_whole(host: Host) -> None:
    """Every image is queued or active within a lease, a retry makes it active, and nothing else is there."""
    until(lambda: set(host.statuses().values()) <= {"queued", "active"})
    queued = [image for image, status in host.statuses().items() if status == "queued"]
    assert [host.upload(image, DATA).status for image in queued] == [204] * len(queued)
    images = host.statuses()
    until(lambda: host.usage() == (len(images) * len(DATA), 0))
    until(lambda: list(host.stored().values()) == [len(DATA)] * len(images))
    assert {name.partition(".")[0] for name in host.stored()} == images.keys()
    assert all(host.request("GET", file_of(image)).body == DATA for image in queued)
    assert {host.request("DELETE", f"/v2/images/{image}").status for image in images} == {204}
    until(lambda: (host.usage(), host.stored()) == ((0, 0), {}))
