"""What a client sees when something inside is broken: a store that fails, a defect, a catalog that is locked."""

from __future__ import annotations

import contextlib
import http.client
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.drivers.memory import MemoryDriver
from imgstore.store import Store, StoreSet
from tests.support.service import LocalService

MEBIBYTE = 1 << 20


class Faults:
    """What fails in a FaultyDriver; each is None or what is raised."""

    def __init__(self) -> None:
        self.open: Exception | None = None
        self.write: Exception | None = None
        self.read_at: int | None = None
        self.delete: Exception | None = None


class FaultyDriver(MemoryDriver):
    """A memory store that fails on demand."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.faults = faults

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        _raise(self.faults.open)
        return super()._open_writer(key, size)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        reader = super()._open_reader(key, start, stop, etag)
        return reader if self.faults.read_at is None else BreakingReader(reader, start, self.faults.read_at)

    def _delete(self, key: str) -> None:
        _raise(self.faults.delete)
        super()._delete(key)


class BreakingReader(ObjectReader):
    """Reads as another reader does, until it breaks at an offset of the object."""

    def __init__(self, reader: ObjectReader, start: int, breaks_at: int) -> None:
        self.info = reader.info
        self._reader = reader
        self._left = max(0, breaks_at - start)

    def _read(self, size: int) -> bytes:
        if not self._left:
            raise OSError("the storage broke with a secret in its text")
        data = self._reader._read(min(size, self._left))
        self._left -= len(data)
        return data

    def _close(self) -> None:
        self._reader._close()


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def local(tmp_path: Path, faults: Faults) -> Iterator[LocalService]:
    stores = StoreSet(
        [Store("faulty", FaultyDriver(faults)), Store("whole", MemoryDriver()),
         Store("closed", MemoryDriver(), read_only=True)], default="faulty",
    )  # fmt: skip
    with LocalService(tmp_path, stores, project_quota=10 * MEBIBYTE).running() as running:
        yield running


def held_and_used(local: LocalService) -> tuple[int, int]:
    account = local.service.quota.account("default")
    return account.held, account.used


def broken(error: Exception) -> Callable[..., object]:
    """A function that raises `error`."""

    def fail(*arguments: object, **keywords: object) -> object:
        raise error

    return fail


def test_store_that_is_down_is_503_and_the_retry_succeeds(local: LocalService, faults: Faults) -> None:
    image_id = local.client.create()
    faults.open = ConnectionRefusedError(111, "refused")
    answer = local.client.upload(image_id, b"data")
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    assert local.client.show(image_id)["status"] == "queued"
    assert held_and_used(local) == (0, 0)
    faults.open = None
    assert local.client.upload(image_id, b"data").status == 204
    assert held_and_used(local) == (0, 4)


def test_defect_is_500_with_the_request_id_and_nothing_of_its_text(
    local: LocalService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local.service.catalog, "get", broken(RuntimeError("hunter2")))
    monkeypatch.setattr("imgstore.http.data.requests.read_prefer", broken(RuntimeError("hunter2")))
    for path in ("/v2/images/x", f"/v2/images/{'0' * 8}-0000-0000-0000-{'0' * 12}/file"):
        answer = local.client.get(path)
        assert (answer.status, b"hunter2" in answer.body) == (500, False)
        assert answer.headers["x-openstack-request-id"].startswith("req-")
        assert "hunter2" not in str(answer.headers)
    assert caplog.text.count("RuntimeError: hunter2") == 2, "the log has the traceback"


@pytest.mark.parametrize("at", [0, 1, MEBIBYTE, 3 * MEBIBYTE - 1])
def test_law_9_download_that_breaks_is_cut_noticeably(local: LocalService, faults: Faults, at: int) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, bytes(3 * MEBIBYTE))
    faults.read_at = at
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        local.client.download(image_id)


def test_defect_after_the_answer_began_cuts_it(local: LocalService, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, bytes(3 * MEBIBYTE))
    monkeypatch.setattr("imgstore.transfers.download.Download._next_chunk", broken(RuntimeError("hunter2")))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        local.client.download(image_id)


def test_data_of_a_store_that_is_down_is_removed_when_it_is_back(local: LocalService, faults: Faults) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, b"data")
    faults.delete = errors.StoreUnavailable("down")
    assert local.client.delete(image_id).status == 204
    assert local.client.get(f"/v2/images/{image_id}").status == 404
    assert local.catalog.removals() == [image_id]
    assert held_and_used(local) == (0, 0), "the quota is given back at once"
    faults.delete = None
    local.service.recovery.recover(at_once=True)
    assert local.catalog.removals() == []
    assert not list(driver_of(local, "faulty").objects())
    assert held_and_used(local) == (0, 0), "and only once"


def test_removal_of_what_is_gone_already_is_done(local: LocalService) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, b"data")
    driver_of(local, "faulty").delete(image_id)
    assert local.client.delete(image_id).status == 204
    assert local.catalog.removals() == []


def test_law_4_deletion_before_the_first_upload_of_a_process_gives_back_once(tmp_path: Path) -> None:
    stores = StoreSet([Store("memory", MemoryDriver())], default="memory")
    first = LocalService(tmp_path, stores, project_quota=10)
    with first.running():
        images = [first.client.create() for _ in range(2)]
        assert [first.client.upload(image_id, b"12345").status for image_id in images] == [204, 204]
    with LocalService(tmp_path, stores, project_quota=10).running() as second:
        assert second.client.delete(images[0]).status == 204
        assert held_and_used(second) == (0, 5)


def test_data_that_is_gone_is_410_and_never_empty(local: LocalService) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, b"data")
    driver_of(local, "faulty").delete(image_id)
    assert local.client.download(image_id).status == 410


def test_store_that_is_read_only_takes_nothing_and_says_so(local: LocalService) -> None:
    stores = local.client.get("/v2/info/stores").json()["stores"]
    assert [store.get("read-only") for store in stores] == [None, None, "true"]
    image_id = local.client.create()
    assert local.client.upload(image_id, b"data", store="closed").status == 410
    assert local.client.upload(image_id, b"data", store="whole").status == 204


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


def driver_of(local: LocalService, store: str) -> MemoryDriver:
    driver = local.service.stores.resolve(store).driver
    assert isinstance(driver, MemoryDriver)
    return driver
