"""Collaborators that fail on demand: every call of theirs is traced, and one of them can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from imgstore.catalog import MemoryCatalog
from imgstore.driver import ObjectWriter
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import Attempt, Location, ObjectInfo, UploadRequest, UploadResult
from imgstore.quota import Hold, MemoryQuota
from imgstore.transfers.taps import Tap
from tests.core.world import World

T = TypeVar("T")


class Faults:
    """Traces calls by name. Call number `fail_at` raises `error`, before its effect or (`late`) after it; once
    `undoing`, all calls named in `also` raise, too."""

    def __init__(
        self,
        *,
        fail_at: int | None = None,
        error: BaseException | None = None,
        late: bool = False,
        also: Mapping[str, BaseException] | None = None,
    ) -> None:
        self.calls: list[str] = []
        self._fail_at = fail_at
        self._error = error or RuntimeError("fault")
        self._late = late
        self._also = also or {}

    @property
    def failed(self) -> bool:
        return self._fail_at is not None and len(self.calls) > self._fail_at

    def call(self, name: str, action: Callable[[], T]) -> T:
        undoing = self.failed
        number = len(self.calls)
        self.calls.append(name)
        if undoing and name in self._also:
            raise self._also[name]
        if number != self._fail_at:
            return action()
        if self._late:
            action()
        raise self._error


class FaultyCatalog:
    def __init__(self, rows: MemoryCatalog, faults: Faults) -> None:
        self._rows = rows
        self._faults = faults

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        return self._faults.call("catalog.begin", lambda: self._rows.begin(request, stores))

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        self._faults.call("catalog.activate", lambda: self._rows.activate(attempt, result))

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        name = "catalog.confirm" if certain else "catalog.confirm while bytes flow"
        self._faults.call(name, lambda: self._rows.confirm(attempt, certain=certain))

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return self._faults.call("catalog.release", lambda: self._rows.release(attempt, unremoved))


class FaultyQuota:
    def __init__(self, ledger: MemoryQuota, faults: Faults) -> None:
        self._ledger = ledger
        self._faults = faults

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        hold = self._faults.call("quota.reserve", lambda: self._ledger.reserve(attempt, store, size))
        return FaultyHold(hold, self._faults)

    def give_back(self, owner: str, location: Location, size: int) -> None:
        self._ledger.give_back(owner, location, size)


class FaultyHold:
    def __init__(self, hold: Hold, faults: Faults) -> None:
        self._hold = hold
        self._faults = faults

    def extend_to(self, total: int) -> None:
        self._faults.call("hold.extend_to", lambda: self._hold.extend_to(total))

    def settle(self, actual: int) -> None:
        self._faults.call("hold.settle", lambda: self._hold.settle(actual))

    def release(self) -> None:
        self._faults.call("hold.release", self._hold.release)


class FaultyTaps:
    """A factory, and its tap."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.calls = faults.calls
        self.closed = 0

    def __call__(self, attempt: Attempt, *, size: int | None) -> Tap | None:
        return self._faults.call("taps.open", lambda: self)

    def write(self, chunk: bytes | memoryview) -> None:
        self._faults.call("tap.write", lambda: None)

    def finish(self) -> Mapping[str, str | int]:
        return self._faults.call("tap.finish", lambda: {"seen": "yes"})

    def close(self) -> None:
        self.closed += 1
        self._faults.call("tap.close", lambda: None)


class FaultyDriver(MemoryDriver):
    def __init__(self) -> None:
        super().__init__(capacity=10_000_000)
        self.faults = Faults()

    def url(self, key: str) -> str:
        return self.faults.call("driver.url", lambda: super(FaultyDriver, self).url(key))

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        return self.faults.call("driver._reserve", lambda: super(FaultyDriver, self)._reserve(key, size))

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        writer = self.faults.call("driver._open_writer", lambda: super(FaultyDriver, self)._open_writer(key, size))
        return FaultyWriter(writer, self.faults)

    def _delete(self, key: str) -> None:
        self.faults.call("driver._delete", lambda: super(FaultyDriver, self)._delete(key))


class FaultyWriter(ObjectWriter):
    def __init__(self, writer: ObjectWriter, faults: Faults) -> None:
        self._writer = writer
        self._faults = faults

    def _write(self, chunk: bytes | memoryview) -> None:
        self._faults.call("writer._write", lambda: self._writer._write(chunk))

    def _commit(self) -> ObjectInfo:
        return self._faults.call("writer._commit", self._writer._commit)

    def _abort(self) -> None:
        self._faults.call("writer._abort", self._writer._abort)


class FaultyWorld(World):
    """A world in which everything is traced and can fail."""

    def __init__(self, faults: Faults) -> None:
        self.faulty_driver = FaultyDriver()
        super().__init__(driver=self.faulty_driver, limit=10_000_000)
        self.tap = FaultyTaps(faults)
        self.faulty_driver.faults = faults
        self.service = type(self.service)(
            self.stores,
            catalog=FaultyCatalog(self.rows, faults),
            quota=FaultyQuota(self.ledger, faults),
            taps=[self.tap],
        )

    def heal(self) -> None:
        """From now on nothing fails."""
        self.faulty_driver.faults = Faults()
        self.service = self.service_of()
