"""The health of stores: found by threads of its own, told at once, 503 when the default store is down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.service.health import StoreHealth, StoreWatch
from imgstore.service.watch import HealthSettings, Status
from imgstore.store import Store, StoreSet
from imgstore.transfers.observer import Observer
from tests.support.service import LocalService
from tests.support.waiting import PATIENCE, until


class Patient(MemoryDriver):
    """A driver whose checks a test lets fail or hang; it counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self.free = threading.Event()
        self.free.set()
        self.checks = threading.Semaphore(0)

    def check(self) -> None:
        self.checks.release()
        assert self.free.wait(PATIENCE)
        if self.failure is not None:
            raise self.failure

    def wait_for_checks(self, count: int) -> None:
        """Returns when so many more have begun: all but the last have ended, and what they found is known."""
        for _ in range(count):
            assert self.checks.acquire(timeout=PATIENCE)


class Witness(Observer):
    """Keeps what it is told of stores, and raises."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool, str]] = []

    def store_changed(self, store: str, *, up: bool, reason: str) -> None:
        self.told.append((store, up, reason))
        raise RuntimeError("an observer's defect")


class World:
    """A store under watch, at a time that the test sets."""

    def __init__(self, timeout: float = 10) -> None:
        self.driver, self.now, self.witness = Patient(), 100.0, Witness()
        settings = HealthSettings(interval=5, timeout=timeout)
        store = Store("main", self.driver)
        self.watch = StoreWatch(store, settings, observers=[self.witness], clock=lambda: self.now)

    def found(self, failure: Exception | None) -> Status:
        """What a check finds."""
        self.driver.failure = failure
        self.watch.check()
        return self.watch.status()


def test_store_is_up_until_a_check_says_otherwise() -> None:
    world = World()
    assert world.watch.status() == Status("main", up=True)
    world.found(errors.StoreUnavailable("The disk is gone.", detail="/secret/path"))
    world.now += 7
    assert world.watch.status() == Status("main", up=False, reason="store-unavailable", age=7)
    assert world.found(None) == Status("main", up=True)
    assert world.witness.told == [("main", False, "store-unavailable"), ("main", True, "")]


def test_whatever_a_driver_raises_means_down() -> None:
    world = World()
    for failure, reason in (
        (errors.StoreFull("No room."), "store-full"),
        (errors.ConfigurationError("gone.", section="", option="datadir"), "configuration-error"),
        (RuntimeError("a defect"), "internal-error"),
    ):
        assert world.found(failure) == Status("main", up=False, reason=reason)
    assert len(world.witness.told) == 1, "it was down before"


def test_check_that_hangs_means_down_after_the_timeout() -> None:
    world = World(timeout=0.05)
    world.driver.free.clear()
    checking = threading.Thread(target=world.watch.check)
    checking.start()
    world.driver.wait_for_checks(1)
    assert world.watch.status().up, "by its clock it may still end in time"
    world.now += 11
    assert world.watch.status() == Status("main", up=False, reason="check-stalled", age=11, took=11)
    until(lambda: world.witness.told == [("main", False, "check-stalled")])
    world.driver.free.set()
    checking.join(PATIENCE)
    assert world.watch.status() == Status("main", up=True, took=11)
    assert world.witness.told[1:] == [("main", True, "")]


def test_threads_end_with_the_service() -> None:
    driver = Patient()
    health = StoreHealth(StoreSet([Store("main", driver)], default="main"), HealthSettings(interval=0.01))
    health.start()
    driver.wait_for_checks(2)
    health.stop()
    for thread in threading.enumerate():
        if thread.name == "imgstore-health of main":
            thread.join(PATIENCE)
            assert not thread.is_alive()


class House:
    """A service with two stores whose health a test decides."""

    def __init__(self, root: Path) -> None:
        self.main, self.other = Patient(), Patient()
        stores = StoreSet([Store("main", self.main), Store("other", self.other)], default="main")
        self.local = LocalService(root, stores, health=HealthSettings(interval=0.02, timeout=PATIENCE))
        self.client = self.local.client


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    with made.local.running():
        yield made
        made.main.free.set()
        made.other.free.set()


def test_stores_that_work_are_up(house: House) -> None:
    for path in ("/healthcheck/stores", "/healthcheck?detail", "/healthcheck?detail=true"):
        answer = house.client.get(path)
        assert (answer.status, answer.json()["status"], answer.headers["cache-control"]) == (200, "up", "no-store")
        stores = [(store["id"], store["status"], store.get("default")) for store in answer.json()["stores"]]
        assert stores == [("main", "up", "true"), ("other", "up", None)]


@pytest.mark.parametrize(("store", "status", "summary"), [("main", 503, "down"), ("other", 200, "degraded")])
def test_default_store_that_is_down_is_503(house: House, store: str, status: int, summary: str) -> None:
    driver: Patient = getattr(house, store)
    driver.failure = errors.StoreUnavailable("Gone.", detail="hunter2 in /secret/path")
    until(lambda: house.client.get("/healthcheck/stores").json()["status"] == summary)
    answer = house.client.get("/healthcheck/stores")
    assert (answer.status, answer.json()["status"]) == (status, summary)
    (down,) = [found for found in answer.json()["stores"] if found["status"] == "down"]
    assert (down["id"], down["reason"]) == (store, "store-unavailable")
    assert b"secret" not in answer.body
    assert b"hunter2" not in answer.body
    assert house.client.get("/healthcheck").body == b"OK\n", "the process itself is well"
    driver.failure = None
    until(lambda: house.client.get("/healthcheck/stores").json()["status"] == "up")


def test_contained_check_that_hangs_blocks_no_request(house: House) -> None:
    house.main.free.clear()
    house.main.wait_for_checks(3)
    image_id = house.client.create()
    assert house.client.upload(image_id, b"x" * MIB).status == 204
    assert house.client.get("/healthcheck").status == 200
    assert house.client.get("/healthcheck/stores").status in (200, 503), "answered, whatever is known by now"
    assert b"imgstore_store_up" in house.client.get("/metrics").body


def test_probes_are_only_read(house: House) -> None:
    for path in ("/healthcheck", "/healthcheck/stores", "/metrics"):
        answer = house.client.post(path, {})
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        head = house.client.request("HEAD", path)
        assert (head.status, head.body) == (200, b"")
