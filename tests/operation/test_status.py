"""The status: what is under way, told at once from what is remembered, whatever hangs (contained)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB, Leftover
from imgstore.service.watch import HealthSettings
from imgstore.sql import Caller, Database
from imgstore.store import Store, StoreSet
from tests.support.client import Client
from tests.support.service import LocalService
from tests.support.waiting import PATIENCE, until

Entries = list[dict[str, Any]]


class Hanging(MemoryDriver):
    """Its check hangs until the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self.end = threading.Event()

    def check(self) -> None:
        self.end.wait(PATIENCE)


class Littered(MemoryDriver):
    """It finds two leftovers, one of which may be another store's."""

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        yield from (Leftover(name, "old", 1, 0.0, certain=name == "ours") for name in ("ours", "theirs"))


class World:
    """A service beside a store that hangs; callers have the role that the test gives."""

    def __init__(self, root: Path) -> None:
        self.caller = Caller("p1", is_admin=True, permits=lambda action, image: True)
        self.hung = Hanging()
        stores = StoreSet([Store("good", Littered()), Store("hung", self.hung)], default="good")
        watched = HealthSettings(interval=60, timeout=0.05)
        self.local = LocalService(root, stores, health=watched, authenticate=lambda environ: self.caller)
        self.client: Client = self.local.client

    def entries(self) -> Entries:
        answer = self.client.get("/status")
        assert answer.status == 200
        found: Entries = json.loads(answer.body)["entries"]
        return found

    def of(self, what: str) -> Entries:
        return [entry for entry in self.entries() if entry["what"] == what]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    try:
        with made.local.running():
            yield made
    finally:
        made.hung.end.set()


def test_upload_under_way_is_told_with_owner_and_progress_beside_a_hung_store(world: World) -> None:
    image_id = world.client.create()
    with world.client.begin_upload(image_id, length=2 * MIB) as upload:
        upload.send(b"x" * MIB)
        until(lambda: [entry["bytes"] for entry in world.of("upload")] == [MIB])
        world.local.service.counting.count()
        (moving,) = world.of("upload")
        assert (moving["name"], moving["project"], moving["size"]) == (image_id, "p1", 2 * MIB)
        (attempt,) = world.of("attempt (upload)")
        assert (attempt["name"], attempt["stores"]) == (image_id, "good")
    assert {entry["name"]: entry["state"] for entry in world.of("store")} == {
        "good": "up",
        "hung": "down (check-stalled)",
    }
    until(lambda: not world.of("upload"))


def test_leftovers_are_told_as_the_cleaning_saw_them(world: World) -> None:
    (told,) = world.of("leftovers")
    assert (told["name"], told["state"]) == ("good", "1 removed, 1 left alone")


def test_only_an_admin_sees_the_status(world: World) -> None:
    world.caller = Caller("p1", permits=lambda action, image: True)
    assert world.client.get("/status").status == 403


def test_hung_database_holds_up_no_status(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, end = threading.Event(), threading.Event()

    def hang(database: Database, work: object) -> None:
        begun.set()
        end.wait(PATIENCE)
        raise errors.CatalogUnavailable("The catalog is not available.")

    until(lambda: world.local.service.counting.last)
    monkeypatch.setattr(Database, "read", hang)
    counting = threading.Thread(target=world.local.service.counting.count)
    counting.start()
    assert begun.wait(PATIENCE)
    try:
        assert [entry["name"] for entry in world.of("store")] == ["good", "hung"]
        assert counting.is_alive()
    finally:
        end.set()
        counting.join()
