"""The start: the configuration is strict, availability is not. A store that is down, or hangs, comes in later."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.driver.place import MARK_NAME
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem.staging import hidden_name
from imgstore.service.assembly import Service
from imgstore.service.watch import HealthSettings
from imgstore.sql import PARTS, SqlCatalog, SqlLedger, opened
from imgstore.store import Store, StoreSet
from imgstore.testing.faults.listener import Listener
from tests.support.attempts import begun, die
from tests.support.service import LocalService, Options, ServiceProcess
from tests.support.waiting import PATIENCE, until

WATCHED = HealthSettings(interval=0.05, timeout=2)
NAMES = ("fast", "hung", "down")


class Remote(FilesystemDriver):
    """A store that a test lets hang, or fail, whenever its place is looked at."""

    answers: threading.Event
    failure: Exception | None = None
    reached = 0

    def read_mark(self) -> str | None:
        self._reach()
        return super().read_mark()

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        self._reach()
        return super().write_mark(mark, replace=replace)

    def _reach(self) -> None:
        self.reached += 1
        assert self.answers.wait(PATIENCE)
        if self.failure is not None:
            raise self.failure


class World:
    """A service with three stores, two of which a test keeps away."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.drivers = {name: Remote(datadir=str(root / name), fsync=False) for name in NAMES}
        for driver in self.drivers.values():
            driver.answers = threading.Event()
            driver.answers.set()
        stores = StoreSet([Store(name, driver) for name, driver in self.drivers.items()], default="fast")
        self.local = LocalService(root, stores, health=WATCHED)
        self.client = self.local.client

    def leave(self) -> None:
        """Two stores are away."""
        self.drivers["hung"].answers.clear()
        self.drivers["down"].failure = errors.StoreUnavailable("Image storage is not available.", detail="gone")

    def come_back(self) -> None:
        """They work again."""
        self.drivers["down"].failure = None
        self.drivers["hung"].answers.set()

    @contextlib.contextmanager
    def running(self) -> Iterator[World]:
        """Inside, it serves."""
        try:
            with self.local.running():
                yield self
        finally:
            self.come_back()

    def statuses(self) -> dict[str, str]:
        """Of the stores, as the service tells them, and of all together."""
        told = self.client.get("/healthcheck/ready").json()
        return {"all": told["status"], **{store["id"]: store["status"] for store in told["stores"]}}

    def wait_for_checks(self) -> None:
        """Returns when another check of each store has begun and ended."""
        before = {name: driver.reached for name, driver in self.drivers.items()}
        until(lambda: all(driver.reached > before[name] + 2 for name, driver in self.drivers.items()))

    def put(self, store: str) -> int:
        """Uploads an image there."""
        return self.client.upload(self.client.create(), b"data", store=store).status


def test_a_store_that_hangs_and_one_that_is_down_are_settled_and_cleaned_when_they_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with World(tmp_path).running() as world:
        assert [world.put(name) for name in NAMES] == [204, 204, 204]
    with contextlib.closing(SqlCatalog(f"sqlite:///{tmp_path}/imgstore.sqlite")) as catalog:
        dead = begun(catalog, "down")
        (tmp_path / "down" / dead.key).write_bytes(b"data")
        die(catalog, dead)
    old = [tmp_path / name / hidden_name("old") for name in NAMES]
    for file in old:
        file.write_bytes(b"partial")
        os.utime(file, (0, 0))
    world = World(tmp_path)
    world.leave()
    with caplog.at_level(logging.WARNING), world.running():
        assert world.statuses() == {"all": "degraded", "fast": "up", "hung": "down", "down": "down"}
        told = [record.getMessage() for record in caplog.records if " is down (" in record.getMessage()]
        assert sorted(line.partition(":")[0] for line in told) == [
            "Store down is down (store-unavailable)", "Store hung is down (check-stalled)",
        ]  # fmt: skip
        assert (world.put("fast"), world.put("down")) == (204, 503)
        assert [file.exists() for file in old] == [False, True, True]
        assert world.local.catalog.removals() == [dead.key]
        world.come_back()
        until(lambda: not any(file.exists() for file in old) and not world.local.catalog.removals())
        assert world.statuses() == dict.fromkeys(("all", *NAMES), "up")
        assert (world.put("hung"), world.put("down")) == (204, 204)


def test_known_by_its_place_a_store_that_is_away_at_its_first_start_is_used_when_its_place_is_made(
    tmp_path: Path,
) -> None:
    for name in ("hung", "down"):
        (tmp_path / name).mkdir()
    world = World(tmp_path)
    world.leave()
    with world.running():
        assert world.put("hung") == world.put("down") == 503, "refused at once: nobody knows its place"
        world.drivers["down"].failure = None
        assert list((tmp_path / "hung").iterdir()) == []
        until(lambda: world.statuses()["down"] == "up")
        assert (tmp_path / "down" / MARK_NAME).exists()
        assert world.put("down") == 204


@pytest.mark.parametrize("missing", [errors.StoreUnavailable("gone"), errors.WrongPlace("another's")])
def test_a_service_that_requires_all_stores_does_not_start_without_one(tmp_path: Path, missing: Exception) -> None:
    world = World(tmp_path)
    world.drivers["down"].failure = missing
    database = opened(f"sqlite:///{tmp_path}/imgstore.sqlite", PARTS)
    service = Service(world.local.service.stores, database, health=WATCHED, requires_stores=True)
    with pytest.raises(errors.StoreUnavailable, match=r"require_stores is all, and store down is down: ") as refused:
        service.start()
    assert "store hung" not in str(refused.value)
    service.close()
    world.local.server.stop()
    world.local.service.close()


def test_required_stores_are_another_exit_status_than_a_mistake(tmp_path: Path) -> None:
    options = {"service": {"require_stores": "all"}, "slow": {"datadir": "/proc/nowhere"}}
    assert "store slow is down" in ServiceProcess(tmp_path, options=options).refusal(status=5)


@pytest.mark.parametrize(("part", "kind"), [("catalog", SqlCatalog), ("ledger", SqlLedger)])
def test_a_part_of_the_database_that_hangs_is_not_ready_and_alive(
    tmp_path: Path, part: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(kind, "probe", lambda self: answers.wait(PATIENCE))
    with World(tmp_path).running() as world:
        until(lambda: world.statuses()["all"] == "down")
        ready = world.client.get("/healthcheck/ready")
        found = {name: ready.json()[name]["status"] for name in ("catalog", "ledger")}
        assert (ready.status, found) == (503, {"catalog": "up", "ledger": "up", part: "down"})
        assert ready.json()[part]["reason"] == "check-stalled"
        assert set(world.statuses().values()) == {"down", "up"}, "the stores are not blamed"
        assert [world.client.get(path).status for path in ("/healthcheck", "/healthcheck/stores")] == [200, 200]
        answers.set()
        until(lambda: world.client.get("/healthcheck/ready").status == 200)


def test_a_catalog_that_is_away_is_no_fault_of_the_stores_and_is_not_asked_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, asked = threading.Event(), list[str]()

    def probe(self: SqlCatalog) -> None:
        if away.is_set():
            raise errors.CatalogUnavailable("away")

    monkeypatch.setattr(SqlCatalog, "probe", probe)
    with World(tmp_path).running() as world:
        away.set()
        until(lambda: world.client.get("/healthcheck/ready").status == 503)
        world.wait_for_checks()
        monkeypatch.setattr(world.local.service.catalog.places, "known_place", asked.append)
        world.wait_for_checks()
        assert asked == []
        assert world.statuses() == {"all": "down", **dict.fromkeys(NAMES, "up")}
        away.clear()
        until(lambda: bool(asked))


def test_contained_a_server_that_never_answers_costs_a_start_and_an_end_no_more_than_their_bounds(
    tmp_path: Path,
) -> None:
    ended = threading.Event()

    def silent(connection: socket.socket) -> None:
        ended.wait(PATIENCE)

    hung = Listener(silent)
    hung.start()
    url = f"http://127.0.0.1:{hung.port}"
    far = {"endpoint_url": url, "bucket": "bucket", "access_key": "a", "secret_key": "s"}
    options: Options = {
        "imgstore": {"enabled_stores": "fast:filesystem, slow:filesystem, far:s3, cloud:swift"},
        "service": {"health_timeout": 1, "grace_period": 1},
        "cloud": {"auth_version": "1", "auth_url": f"{url}/auth/v1.0", "username": "a:u", "password": "p"}, "far": far,
    }  # fmt: skip
    try:
        with ServiceProcess(tmp_path, options=options) as service:
            ready = service.client.get("/healthcheck/ready").json()
            reasons = [(store["id"], store.get("reason")) for store in ready["stores"]]
            assert reasons == [("fast", None), ("slow", None), ("far", "check-stalled"), ("cloud", "check-stalled")]
            assert ready["status"] == "degraded"
            assert ready["threads"] == {"busy": 0, "size": 16}
            image = service.client.create()
            statuses = [service.client.upload(image, b"data", store=store).status for store in ("far", "cloud")]
            assert statuses == [503, 503]
            with service.client.begin_upload(image, length=4) as upload:
                until(lambda: service.client.get("/healthcheck/ready").json()["threads"]["busy"] == 1)
                upload.send(b"data")
                assert upload.finish().status == 204
            assert service.terminate() == 0, "in order, and not by the last resort"
    finally:
        ended.set()
        hung.stop()
