"""What the base classes keep for every driver, however the driver fails or is built."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver
from imgstore.drivers.memory import MemoryDriver, MemoryReader, MemoryWriter
from imgstore.model import ObjectInfo


class CannotClose(MemoryReader):
    def _close(self) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")


class ReadersCannotClose(MemoryDriver):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return CannotClose(self.storage.get(key), start)


@pytest.fixture
def driver() -> MemoryDriver:
    driver = ReadersCannotClose()
    with driver.open_writer("key") as writer:
        writer.write(b"some")
        writer.commit()
    return driver


class Fails(MemoryReader):
    """The first read fails, in the middle of what the storage sends; the next one would go on elsewhere."""

    failure: BaseException | None = None

    def _read(self, size: int) -> bytes:
        failure, Fails.failure = Fails.failure, None
        if failure is not None:
            self._position = 2
            raise failure
        return super()._read(size)


class ReadersFail(MemoryDriver):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return Fails(self.storage.get(key), start)


@pytest.mark.parametrize("failure", [errors.StoreUnavailable("gone"), OSError(5, "EIO"), KeyboardInterrupt()])
def test_reader_that_failed_reads_no_further(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    driver = ReadersFail()
    with driver.open_writer("key") as writer:
        writer.write(b"some")
        writer.commit()
    with driver.open_reader("key") as reader:
        monkeypatch.setattr(Fails, "failure", failure)
        with pytest.raises((errors.StoreError, KeyboardInterrupt)):
            reader.read(1)
        with pytest.raises(errors.UsageError, match="failed"):
            reader.read(1)
        assert reader.position == 0


class HasNoWriter(MemoryDriver):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        raise errors.ObjectNotFound("no such bucket")


def test_what_is_missing_when_a_writer_opens_is_the_stores() -> None:
    with pytest.raises(errors.StoreUnavailable) as caught:
        HasNoWriter().open_writer("key")
    assert caught.value.status == 503


class ReturnsWhatever(MemoryDriver):
    """As a driver does that nobody has tried."""

    whatever: Any = None

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return cast(ObjectWriter, self.whatever)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return cast(ObjectReader, self.whatever)

    def _stat(self, key: str) -> ObjectInfo:
        return cast(ObjectInfo, self.whatever)


@pytest.mark.parametrize("whatever", [None, ("key", 3), ObjectInfo("key", -1), ObjectInfo("key", cast(int, None))])
def test_what_a_hook_returns_by_mistake_is_the_stores_fault(whatever: object) -> None:
    driver = ReturnsWhatever()
    driver.whatever = whatever
    for ask in (driver.stat, driver.open_reader, driver.open_writer):
        with pytest.raises(errors.StoreUnavailable):
            ask("key")


@pytest.mark.parametrize("whatever", [None, 3, "text"])
def test_what_a_reader_returns_by_mistake_is_the_stores_fault(
    monkeypatch: pytest.MonkeyPatch, driver: MemoryDriver, whatever: object
) -> None:
    monkeypatch.setattr(CannotClose, "_read", lambda self, size: whatever)
    with pytest.raises(errors.StoreUnavailable, match="mistake"):
        driver.open_reader("key").read()


class IsFull(MemoryDriver):
    """As a disk that needs room to remove a file, and a server's 507."""

    def _stat(self, key: str) -> ObjectInfo:
        raise errors.StoreFull("full")

    def _delete(self, key: str) -> None:
        raise OSError(28, "No space left on device")

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        raise errors.StoreFull("full")


def test_who_stores_nothing_is_not_blamed_for_a_full_store() -> None:
    driver = IsFull()
    for ask in (driver.stat, driver.delete, driver.open_reader):
        with pytest.raises(errors.StoreUnavailable) as caught:
            ask("key")
        assert (caught.value.status, caught.value.retryable) == (503, True)


def test_failing_close_does_not_hide_why_a_read_is_refused(
    driver: MemoryDriver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        with pytest.raises(errors.RangeNotSatisfiable):
            driver.open_reader("key", stop=5)
        with pytest.raises(errors.ObjectChanged):
            driver.open_reader("key", etag="another")
    assert len(caplog.messages) == 2


class FailsTwice(MemoryWriter):
    def _write(self, chunk: bytes | memoryview) -> None:
        raise OSError(28, "No space left on device")

    def _abort(self) -> None:
        raise OSError(5, "Input/output error")


class CannotAbort(MemoryDriver):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return FailsTwice(self.storage, key)


def test_failing_abort_does_not_hide_its_cause_nor_keep_the_room(caplog: pytest.LogCaptureFixture) -> None:
    driver = CannotAbort(capacity=100)
    with (
        caplog.at_level(logging.WARNING),
        driver.open_writer("key", size=80) as writer,
        pytest.raises(errors.StoreFull),
    ):
        writer.write(b"some")
    assert len(caplog.messages) == 1
    assert driver.space().free == 100


class Lies(MemoryWriter):
    def _commit(self) -> ObjectInfo:
        info = super()._commit()
        return ObjectInfo(info.key, info.size - 1, info.etag)


class StoresLess(MemoryDriver):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return Lies(self.storage, key)


def test_object_that_is_not_what_was_sent_is_removed() -> None:
    driver = StoresLess(capacity=100)
    with driver.open_writer("key") as writer:
        writer.write(b"some")
        with pytest.raises(errors.IntegrityError):
            writer.commit()
    assert driver.storage.names() == set()
    assert driver.space().free == 100


@pytest.mark.parametrize(
    ("base", "name"), [(ObjectWriter, "commit"), (ObjectReader, "read"), (StoreDriver, "open_writer")]
)
def test_final_method_cannot_be_replaced(base: type, name: str) -> None:
    mixin = type("Mixin", (), {name: lambda self: None})
    with pytest.raises(TypeError, match=f"{name} is final"):
        type("Direct", (base,), {name: lambda self: None})
    with pytest.raises(TypeError, match=f"Mixin.{name} is final"):
        type("ByMixin", (mixin, base), {})


def test_error_of_a_client_library_is_not_quoted() -> None:
    error = errors.from_os_error(OSError("https://user:s3cret@storage.invalid/?signature=s3cret"), "reading")
    assert "s3cret" not in f"{error} {error.detail}"
    assert "No space left" in str(errors.from_os_error(OSError(28, "No space left on device"), "writing").detail)
