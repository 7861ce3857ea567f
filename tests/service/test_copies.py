"""Copies in the background: what waits, what is stopped, what a killed process leaves (undone)."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.service.middleware import REQUEST_ID
from imgstore.service.options import COPY_THREADS
from imgstore.store import Store, StoreSet
from tests.core.stores import HookedStore
from tests.http.faulty import FaultyDriver
from tests.service.dying_copy import CONTENT, POINTS
from tests.support.client import Answer, Client
from tests.support.service import LocalService, ServiceProcess
from tests.support.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
DATA = bytes(4 * MIB)


class World:
    """A service with the stores `main`, `far` and `gated`, of which the last can be made to wait."""

    def __init__(self, root: Path) -> None:
        self.main, self.far = MemoryDriver(), HookedStore()
        self.inner = MemoryDriver()
        self.gated = FaultyDriver(self.inner)
        stores = [Store("main", self.main), Store("far", self.far), Store("gated", self.gated)]
        self.local = LocalService(root, StoreSet(stores, default="main"))

    @property
    def client(self) -> Client:
        return self.local.client

    def image(self) -> str:
        image_id = self.client.create()
        assert self.client.upload(image_id, DATA).status == 204
        return image_id

    def copy(self, image_id: str, *stores: str) -> Answer:
        wanted = {"method": {"name": "copy-image"}, "stores": list(stores)}
        return self.client.post(f"/v2/images/{image_id}/import", wanted)

    def account(self) -> tuple[int, int]:
        """Bytes in use and bytes held."""
        found = self.local.service.quota.account("default")
        return found.used, found.held

    def copy_to_gated(self, images: list[str]) -> None:
        for image_id in images:
            assert self.copy(image_id, "gated").status == 202

    def status(self) -> Counter[tuple[int, int, str]]:
        """Copies as `/status` tells them: bytes so far, bytes in all, state."""
        entries = self.client.get("/status").json()["entries"]
        return Counter((each["bytes"], each["size"], each["state"]) for each in entries if each["what"] == "copy")

    def wait(self) -> None:
        assert self.local.service.copies.wait_until_idle(PATIENCE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.local.running():
        yield made


def test_copies_beyond_the_threads_wait_with_their_quota_held(world: World) -> None:
    images = [world.image() for _ in range(COPY_THREADS + 2)]
    with world.gated.pausing("write", after=MIB) as pause:
        world.copy_to_gated(images)
        pause.wait_until_reached()
        assert world.status() == {(MIB, len(DATA), "moving"): 1, (0, len(DATA), "waiting"): len(images) - 1}
        shown = [world.client.show(image_id) for image_id in images]
        assert {image["os_glance_importing_to_stores"] for image in shown} == {"gated"}
        assert world.account() == (len(images) * len(DATA), len(images) * len(DATA))
        assert world.copy(images[-1], "far").status == 409
    world.wait()
    assert {world.client.show(image_id)["stores"] for image_id in images} == {"main,gated"}
    assert world.account() == (2 * len(images) * len(DATA), 0)


def test_copies_into_a_store_that_hangs_hold_up_no_copy_into_another(world: World) -> None:
    images = [world.image() for _ in range(COPY_THREADS + 1)]
    other = world.image()
    with world.gated.pausing("write") as pause:
        world.copy_to_gated(images)
        pause.wait_until_reached()
        assert world.copy(other, "far").status == 202
        until(lambda: world.client.show(other)["stores"] == "main,far")
    world.wait()
    assert {world.client.show(image_id)["stores"] for image_id in images} == {"main,gated"}


def test_copy_that_waits_is_gone_with_its_image(world: World) -> None:
    images = [world.image() for _ in range(COPY_THREADS + 1)]
    with world.gated.pausing("write") as pause:
        world.copy_to_gated(images)
        pause.wait_until_reached()
        for image_id in images:
            assert world.client.delete(image_id).status == 204
    world.wait()
    assert (world.main.storage.names(), world.inner.storage.names()) == (set(), set())
    assert world.account() == (0, 0)


def test_end_of_the_service_undoes_copies_under_way_and_those_that_wait(world: World) -> None:
    images = [world.image() for _ in range(COPY_THREADS + 1)]
    copies = world.local.service.copies
    stopper = threading.Thread(target=copies.stop)
    with world.gated.pausing("write", after=MIB) as pause:
        world.copy_to_gated(images)
        pause.wait_until_reached()
        stopper.start()
        late = world.image()
        # One that is still taken on the way there is undone as the others.
        until(lambda: "retry-after" in world.copy(late, "gated").headers)
    stopper.join(PATIENCE)
    assert not stopper.is_alive()
    for image_id in images:
        shown = world.client.show(image_id)
        assert (shown["status"], shown["stores"], shown["os_glance_failed_import"]) == ("active", "main", "gated")
    assert world.inner.storage.names() == set()
    assert world.local.catalog.uploads() == 0
    assert world.account() == ((len(images) + 1) * len(DATA), 0)


def test_log_of_a_copy_has_the_identifier_of_the_request(world: World) -> None:
    seen: list[str] = []
    world.far.hooks["open"] = lambda: seen.append(REQUEST_ID.get())
    answer = world.copy(world.image(), "far")
    world.wait()
    assert seen == [answer.headers["x-openstack-request-id"]]


SHORT = {"write", "committed"}


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=[] if point in SHORT else pytest.mark.long) for point in POINTS]
)
def test_undone_killed_in_the_middle_of_a_copy(tmp_path: Path, point: str) -> None:
    service = ServiceProcess(tmp_path)
    command = [sys.executable, "-m", "tests.service.dying_copy", str(tmp_path), point]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    image_id = died.stdout
    assert service.catalog.uploads() == (0 if point == "added" else 1)
    staged, committed = len(service.leftovers("slow")), service.objects("slow")
    assert (staged, committed) == {
        "granted": (0, []), "open": (1, []), "write": (1, []), "commit": (1, []), "committed": (0, [f"{image_id}.2"]),
        "added": (0, [f"{image_id}.2"]),
    }[point]  # fmt: skip
    with service:
        shown = service.client.show(image_id)
        assert (service.catalog.uploads(), service.catalog.removals(), service.leftovers()) == (0, [], [])
        if point == "added":
            assert (shown["stores"], shown["os_glance_failed_import"]) == ("fast,slow", "")
            return
        assert (shown["status"], shown["stores"], shown["os_glance_failed_import"]) == ("active", "fast", "slow")
        assert service.objects() == [image_id]
        wanted = {"method": {"name": "copy-image"}, "stores": ["slow"]}
        assert service.client.post(f"/v2/images/{image_id}/import", wanted).status == 202
        until(lambda: service.client.show(image_id)["stores"] == "fast,slow")
        assert service.objects("slow") == [f"{image_id}.3"], "a key that the dead attempt never had"
        assert (service.stores["slow"] / f"{image_id}.3").read_bytes() == CONTENT
