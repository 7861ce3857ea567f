"""The capacity of a store: how much its objects may take together, kept by the driver that has such an option.

Each process counts for itself. A ledger that all processes share takes the limit over by `capabilities.HasCapacity`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from imgstore.driver.forks import OfOneProcess
from imgstore.driver.turns import PATIENCE, Turn
from imgstore.model import ObjectInfo, Space
from imgstore.quota import Account, Hold, capacity_refusal


class CapacityAccount(OfOneProcess):
    """What a store may take (bytes; None: no limit) and what is taken. `objects` lists what the store holds, which is
    added up at the first use. Used by many threads: one adds up, the others wait for it, but not longer than `patience`
    seconds."""

    def __init__(
        self, limit: int | None, objects: Callable[[], Iterable[ObjectInfo]], *, patience: float = PATIENCE
    ) -> None:
        super().__init__()
        self.limit = limit
        self._objects = objects
        self._account: Account | None = None
        self._patience = patience
        self._adding_up = self._turn()

    def reserve(self, size: int | None) -> Hold | None:
        """Room for an object of `size` bytes (None: unknown), what `StoreDriver._reserve` returns. Raises StoreFull,
        and what `open` raises."""
        account = self.open()
        return None if account is None else account.reserve(size)

    def open(self) -> Account | None:
        """The account, added up now unless it was; None without a limit. Call it before an object is removed: a later
        sum would not contain the object, and its bytes would be given back twice. Raises what listing raises,
        StoreUnavailable while another thread lists for too long."""
        if self.limit is None or self._account is not None:
            return self._account
        with self._adding_up:
            if self._account is None:
                used = sum(info.size for info in self._objects())
                self._account = Account(self.limit, used=used, refusal=capacity_refusal)
            return self._account

    def give_back(self, size: int) -> None:
        """An object of `size` bytes was removed."""
        account = self.open()
        if account is not None:
            account.give_back(size)

    def within(self, space: Space) -> Space:
        """The room that is left, where the storage itself has `space`."""
        account = self.open()
        if account is None or self.limit is None:
            return space
        left = max(0, self.limit - account.used - account.held)
        return Space(total=_least(space.total, self.limit), free=_least(space.free, left))

    def _forked(self) -> None:
        """What the parent holds is not the child's: it adds up anew."""
        self._account = None
        self._adding_up = self._turn()

    def _turn(self) -> Turn:
        return Turn("listing what the store holds", patience=self._patience)


def _least(size: int | None, limit: int) -> int:
    return limit if size is None else min(size, limit)
