"""One store's part in an upload: the writer there, the hold on the quota for its copy, and where the object will be.

Failures name the store that they come from, and each copy has a hold of its own. A session writes to one target
(`OneTarget`) or to several at once (`imgstore.transfers.fanout`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from imgstore import errors
from imgstore.bulkhead import Slot
from imgstore.driver.translate import host_failed
from imgstore.driver.writer import ObjectWriter, WriterState
from imgstore.host_answers import nothing
from imgstore.model import Location, ObjectInfo
from imgstore.quota import NO_HOLD, Hold
from imgstore.store import Store
from imgstore.transfers.observer import Part, Step
from imgstore.undo import Undo, describe

LOG = logging.getLogger(__name__)


class QuotaHold:
    """A hold of the host's quota, and how it ends when the upload fails: released, unless the object had to be kept
    (`kept_bytes`)."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.kept_bytes: int | None = None

    def end(self) -> None:
        """The upload failed."""
        if self.kept_bytes is None:
            nothing(self.hold.release)
        else:
            nothing(self.hold.settle, self.kept_bytes)


@dataclass(frozen=True, eq=False)
class Target:
    """A store that an upload writes to. `location` is where the object will be; `slot`: it is one of the store's
    transfers until the upload has ended there; `part` is what the observers are told of it."""

    store: Store
    location: Location
    writer: ObjectWriter
    quota: QuotaHold
    slot: Slot
    part: Part

    def __post_init__(self) -> None:
        if self.quota.hold is not NO_HOLD:
            self.writer.admission.hold(self.quota.hold, partial(host_failed, "extending the hold on the quota"))

    def commit(self) -> ObjectInfo:
        """As of the writer."""
        info = self.writer.commit()
        self.part.end()
        return info

    def abort(self) -> None:
        """Removes what was written; what stays still counts. Raises StoreError."""
        try:
            self.writer.abort()
        finally:
            self.count_left_behind()

    def count_left_behind(self) -> None:
        """What could not be removed counts for the owner until it is gone."""
        if self.writer.left_behind:
            self.quota.kept_bytes = self.writer.total

    @property
    def stays(self) -> bool:
        """Whether something of a failed upload is still in the store."""
        return self.quota.kept_bytes is not None

    @property
    def committed(self) -> bool:
        """Whether the object is there."""
        return self.writer.state is WriterState.COMMITTED

    def remove(self) -> None:
        """Removes the object that was committed; a no-op if it is gone. Raises StoreError."""
        with contextlib.suppress(errors.ObjectNotFound), self.store.blamed():
            self.store.driver.delete(self.location.key)


def steps(opened: Sequence[Target], error: BaseException | None, *, done: bool) -> Iterator[Step]:
    """The stores' parts in an upload that ended so."""
    for target in opened:
        if isinstance(error, errors.StoreError) and error.store == target.store.identifier:
            target.part.end(error)
        yield target.part.step(target.writer.total, done=done and target.committed)


class Targets(Protocol):
    """What a session writes to. Any failure leaves it to be aborted by the session's undo."""

    @property
    def all(self) -> Sequence[Target]:
        """In the order of the request; those that were left out are not among them."""

    @property
    def admit(self) -> Callable[[int], None]:
        """Asks whether so many bytes in all may be written (`Admission.admit`)."""

    @property
    def write(self) -> Callable[[bytes | memoryview], None]:
        """Takes the next bytes, never empty. A memoryview is not touched after the call returns."""

    @property
    def expect_complete(self) -> Callable[[int], None]:
        """Raises SizeMismatch where so many bytes are fewer than declared."""

    @property
    def commit(self) -> Callable[[], object]:
        """Makes the objects visible. Raises StoreError; then some may be committed."""


@dataclass(frozen=True)
class OneTarget:
    """Targets of one store, which need no thread: its writer's methods."""

    all: Sequence[Target]
    admit: Callable[[int], None]
    write: Callable[[bytes | memoryview], None]
    expect_complete: Callable[[int], None]
    commit: Callable[[], ObjectInfo]

    @classmethod
    def of(cls, target: Target) -> OneTarget:
        """The targets of an upload to this store alone."""
        writer = target.writer
        return cls((target,), writer.admission.admit, writer.write, writer.admission.expect_complete, target.commit)


def is_taken(failure: BaseException) -> bool:
    """Whether another object has the attempt's key in a store. Such a store is not left out: what it holds under the
    key would count as a leftover of the attempt, and be removed. The upload fails, and the next one has another key."""
    return isinstance(failure, errors.ObjectExists)


def leave_out(store: Store, quota: QuotaHold | None, failure: BaseException) -> None:
    """An upload goes on without a store that failed: its hold, if there is one, is released. What the store cannot let
    go of was logged by its writer, and is the catalog's to remember."""
    LOG.warning("Store %s is left out of an upload: %s", store.identifier, describe(failure))
    if quota is None:
        return
    releasing = Undo()
    releasing.push(f"the hold for the copy in store {store.identifier}", quota.end)
    releasing.run()
