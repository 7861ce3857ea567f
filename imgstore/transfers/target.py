"""One store's part in an upload: the writer there, the hold on the quota for its copy, and where the object will be.

A session writes to a `SessionWriter`, which is one store's (`StoreWriter`) or several stores' (`transfers.fanout`).
Failures are blamed on the store that they come from (law 11), and each copy has a hold of its own (law 4).

What this module refuses to do: decide whether an object that was committed is kept; that is the session's.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

from imgstore import errors
from imgstore.driver.translate import host_failures
from imgstore.driver.writer import ObjectWriter, WriterState
from imgstore.model import Location
from imgstore.quota import Hold
from imgstore.store import Store
from imgstore.undo import Undo, describe

LOG = logging.getLogger(__name__)


class HoldEnd:
    """How the hold ends when the upload fails: released, unless the object had to be kept (`kept_bytes`)."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.kept_bytes: int | None = None

    def __call__(self) -> None:
        if self.kept_bytes is None:
            self.hold.release()
        else:
            self.hold.settle(self.kept_bytes)


class SessionWriter(Protocol):
    """What a session writes to. Any failure leaves it to be aborted by the session's undo."""

    @property
    def writers(self) -> Sequence[StoreWriter]:
        """The stores that are written to, in the order of the request; those that were left out are not among them."""

    def admit(self, total: int) -> None:
        """Says now what writing up to `total` bytes will say, and holds quota for them. Raises SizeMismatch,
        ImageTooLarge, QuotaExceeded, StoreFull."""

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes, never empty. A memoryview is not touched after the call returns."""

    def expect_complete(self) -> None:
        """Says now what `commit` will say of a body shorter than declared. Raises SizeMismatch."""

    def commit(self) -> None:
        """Makes the objects visible. Raises StoreError; then some may be committed (`StoreWriter.committed`)."""


class StoreWriter:
    """The writer of one store. `location` is where the object will be, `hold` what is set aside for it."""

    def __init__(self, store: Store, location: Location, writer: ObjectWriter, hold: HoldEnd) -> None:
        self.store = store
        self.location = location
        self.hold = hold
        self._writer = writer

    @property
    def writers(self) -> Sequence[StoreWriter]:
        """See SessionWriter."""
        return (self,)

    @property
    def committed(self) -> bool:
        """Whether the object is there."""
        return self._writer.state is WriterState.COMMITTED

    def admit(self, total: int) -> None:
        """See SessionWriter."""
        with self.store.blamed():
            self._writer.admit(total)
        self.extend(total)

    def extend(self, total: int) -> None:
        """Makes the hold on the quota at least `total` bytes. Raises QuotaExceeded, CatalogUnavailable."""
        with host_failures("extending the hold on the quota"):
            self.hold.hold.extend_to(total)

    def write(self, data: bytes | memoryview) -> None:
        """See SessionWriter."""
        with self.store.blamed():
            self._writer.write(data)

    def expect_complete(self) -> None:
        """See SessionWriter."""
        with self.store.blamed():
            self._writer.expect_complete()

    def commit(self) -> None:
        """See SessionWriter."""
        with self.store.blamed():
            self._writer.commit()

    def abort(self) -> None:
        """Removes what was written, unless it was committed. Raises StoreError."""
        with self.store.blamed():
            self._writer.abort()

    def remove(self) -> None:
        """Removes the object that was committed; a no-op if it is gone. Raises StoreError."""
        with contextlib.suppress(errors.ObjectNotFound), self.store.blamed():
            self.store.driver.delete(self.location.key)


def leave_out(store: Store, hold: HoldEnd | None, failure: BaseException) -> None:
    """An upload goes on without a store that failed: its hold, if there is one, is released. What the store cannot let
    go of was logged by its writer, and is the catalog's to remember."""
    LOG.warning("Store %s is left out of an upload: %s", store.identifier, describe(failure))
    if hold is None:
        return
    releasing = Undo()
    releasing.push(f"the hold for the copy in store {store.identifier}", hold)
    releasing.run()
