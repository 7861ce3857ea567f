"""What a client sees when something inside is broken: a store that fails, a defect, a catalog that is locked."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.store import Store, StoreSet
from tests.core.stores import HookedStore
from tests.http.faulty import FaultyDriver
from tests.support.service import LocalService


@pytest.fixture
def memory() -> HookedStore:
    """What is in the store `faulty`, and what happens there at a deletion."""
    return HookedStore()


@pytest.fixture
def faulty(memory: HookedStore) -> FaultyDriver:
    return FaultyDriver(memory)


@pytest.fixture
def local(tmp_path: Path, faulty: FaultyDriver) -> Iterator[LocalService]:
    stores = StoreSet(
        [Store("faulty", faulty), Store("whole", MemoryDriver()), Store("closed", MemoryDriver(), read_only=True)],
        default="faulty",
    )
    with LocalService(tmp_path, stores, project_quota=10 * MIB).running() as running:
        yield running


def held_and_used(local: LocalService) -> tuple[int, int]:
    account = local.service.quota.account("default")
    return account.held, account.used


def broken(error: BaseException) -> Callable[..., object]:
    """A function that raises `error`."""

    def fail(*arguments: object, **keywords: object) -> object:
        raise error

    return fail


def test_defect_is_500_with_the_request_id_and_nothing_of_its_text(
    local: LocalService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local.service.catalog, "get", broken(RuntimeError("hunter2")))
    monkeypatch.setattr("imgstore.http.data.requests.read_prefer", broken(RuntimeError("hunter2")))
    image = f"/v2/images/{'0' * 8}-0000-0000-0000-{'0' * 12}"
    for path in (image, f"{image}/file"):
        answer = local.client.get(path)
        assert (answer.status, b"hunter2" in answer.body) == (500, False)
        assert answer.headers["x-openstack-request-id"].startswith("req-")
        assert "hunter2" not in str(answer.headers)
    assert caplog.text.count("RuntimeError: hunter2") == 2, "the log has the traceback"


def threads() -> set[str]:
    """All but those of a part's upload, which a writer that another test left has until it is collected."""
    return {each.name for each in threading.enumerate() if not each.name.startswith("imgstore-part")}


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError()])
def test_a_driver_that_exits_or_is_cancelled_ends_neither_the_service_nor_a_thread(
    local: LocalService, faulty: FaultyDriver, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    image_id, names = local.client.create(), threads()
    assert local.client.upload(image_id, b"content").status == 204
    for hook in ("_open_reader", "_delete"):
        monkeypatch.setattr(faulty, hook, broken(error))
    assert local.client.get(f"/v2/images/{image_id}/file").status == 503
    assert local.client.request("DELETE", f"/v2/images/{image_id}").status == 204
    local.service.keeper.recovery.recover(at_once=True)
    monkeypatch.undo()
    local.service.keeper.recovery.recover(at_once=True)
    assert local.service.catalog.removals() == []
    assert names <= threads()


def test_never_short_download_that_breaks_is_cut_noticeably(
    local: LocalService, faulty: FaultyDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, bytes(3 * MIB))
    for at in (1, 3 * MIB - 70_000):
        broken_read = faulty.failing("read", OSError("a secret"), after=at)
        with broken_read, pytest.raises((http.client.IncompleteRead, ConnectionError)):
            local.client.download(image_id)
    monkeypatch.setattr("imgstore.transfers.download.Download._next_chunk", broken(RuntimeError("hunter2")))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        local.client.download(image_id)


def test_held_deletion_before_the_first_upload_of_a_process_gives_back_once(tmp_path: Path) -> None:
    stores = StoreSet([Store("memory", MemoryDriver())], default="memory")
    first = LocalService(tmp_path, stores, project_quota=10)
    with first.running():
        images = [first.client.create() for _ in range(2)]
        assert [first.client.upload(image_id, b"12345").status for image_id in images] == [204, 204]
    with LocalService(tmp_path, stores, project_quota=10).running() as second:
        assert second.client.delete(images[0]).status == 204
        assert held_and_used(second) == (0, 5)


def test_data_that_is_gone_is_410_and_its_removal_is_done(local: LocalService, memory: HookedStore) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, b"data")
    memory.delete(image_id)
    assert local.client.download(image_id).status == 410
    assert local.client.delete(image_id).status == 204
    assert local.catalog.removals() == []


def test_locked_catalog_is_503(tmp_path: Path) -> None:
    stores = StoreSet([Store("memory", MemoryDriver())], default="memory")
    with LocalService(tmp_path, stores, busy_timeout=0.05).running() as local:
        image_id = local.client.create()
        with contextlib.closing(sqlite3.connect(local.catalog.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE").close()
            assert local.client.post("/v2/images", {}).status == 503
            assert local.client.upload(image_id, b"data").status == 503
            assert local.client.show(image_id)["status"] == "queued"
            other.execute("ROLLBACK").close()
        assert local.client.upload(image_id, b"data").status == 204
