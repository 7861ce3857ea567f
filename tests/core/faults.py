"""Collaborators that fail on demand: every call of theirs is traced, and one of them can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from imgstore.catalog import MemoryCatalog
from imgstore.model import Attempt, Location, UploadRequest, UploadResult
from imgstore.quota import Hold, MemoryQuota
from imgstore.transfers.taps import Tap
from imgstore.transfers.upload import UploadService
from tests.core.stores import HookedStore, T
from tests.core.world import World


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

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults or Faults()
        self.opened: list[Attempt] = []
        self.seen = 0
        self.closed = 0

    @property
    def calls(self) -> list[str]:
        return self._faults.calls

    def __call__(self, attempt: Attempt, *, size: int | None) -> Tap | None:
        self.opened.append(attempt)
        return self._faults.call("taps.open", lambda: self)

    def write(self, chunk: bytes | memoryview) -> None:
        self.seen += len(chunk)
        self._faults.call("tap.write", lambda: None)

    def finish(self) -> Mapping[str, str | int]:
        return self._faults.call("tap.finish", lambda: {"seen": self.seen})

    def close(self) -> None:
        self.closed += 1
        self._faults.call("tap.close", lambda: None)


class FaultyDriver(HookedStore):
    def __init__(self, *, capacity: int | None = None) -> None:
        super().__init__(capacity=capacity)
        self.faults = Faults()

    def call(self, hook: str, action: Callable[[], T]) -> T:
        return self.faults.call(f"store.{hook}", action)

    def _reserve(self, key: str, size: int | None) -> Hold | None:
        return self.call("reserve", lambda: super(FaultyDriver, self)._reserve(key, size))


class FaultyWorld(World):
    """A world in which everything is traced and can fail."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(driver=FaultyDriver, limit=10_000_000, capacities={"fast": 10_000_000})
        self.set_faults(faults)
        self.tap = FaultyTaps(faults)
        self.service = UploadService(
            self.stores,
            catalog=FaultyCatalog(self.rows, faults),
            quota=FaultyQuota(self.ledger, faults),
            taps=[self.tap],
        )

    def set_faults(self, faults: Faults) -> None:
        assert isinstance(self.driver, FaultyDriver)
        self.driver.faults = faults

    def heal(self) -> None:
        self.set_faults(Faults())
        self.service = UploadService(self.stores, catalog=self.rows, quota=self.ledger)


class Connection(Exception):
    """The database went away."""

    def __init__(self) -> None:
        super().__init__("postgres://user:password@host/")


class Unsure(MemoryCatalog):
    """A catalog whose answer to `lost` is lost, before the change or after it. Later it may be `gone` altogether."""

    def __init__(self, lost: str = "activate", *, changed: bool, gone: bool = False) -> None:
        super().__init__()
        self._lost = lost
        self._changed = changed
        self._gone = gone
        self.healthy = False

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        self._call("activate", partial(super().activate, attempt, result))

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        self._call("add_locations", partial(super().add_locations, attempt, locations))

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        if self._gone and not self.healthy:
            raise Connection
        return super().release(attempt, unremoved)

    def _call(self, name: str, change: Callable[[], None]) -> None:
        lost = name == self._lost and not self.healthy
        if self._changed or not lost:
            change()
        if lost:
            raise Connection
