"""The writer's half of the SPI: the laws of every object being written, kept here once for all drivers.

Atomic: an object is invisible until commit, and what is not committed is aborted. Exact: `admission` is asked before
the storage sees the byte that would exceed. A driver's subclass implements `_write`, `_commit` and `_abort`, and
carries no flags and no counters.
"""

from __future__ import annotations

import enum
import logging
import os
from abc import ABC, abstractmethod
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, final

from imgstore import errors
from imgstore.driver.signatures import refuse_misfits
from imgstore.driver.translate import Failed, OnFailure, blamed_on, nothing_is_missing, refuse_overrides, storage_failed
from imgstore.host_answers import wrong_answer
from imgstore.model import Chunk, ObjectInfo
from imgstore.quota import Hold
from imgstore.undo import describe

if TYPE_CHECKING:
    from typing_extensions import Self

LOG = logging.getLogger(__name__)

_WRITER_FINAL = frozenset({"write", "commit", "abort", "total", "state", "admission", "_arm", "__enter__", "__exit__"})


class Extends(Protocol):
    """What has to agree to more bytes: a hold."""

    def extend_to(self, total: int) -> object:
        """Makes the hold at least `total` bytes. Raises what refuses them, and returns None."""


class Admission:
    """How many bytes an object may have: declared size, limit, capacity and quota, one law in one object.

    It is asked once for each chunk, before anything sees the byte that would exceed: by a session for all that it
    writes to, else by the writer itself. A declared size is held whole from the beginning, so that holds are asked for
    more only where the size is unknown. Belongs to one thread.

    `size`: the declared bytes (None: unknown), `limit`: the most that are allowed (None: no limit). `admitted`: bytes
    that were asked for and may be written.
    """

    __slots__ = ("_holds", "admitted", "limit", "size")

    def __init__(self, *, size: int | None, limit: int | None) -> None:
        self.size = size
        self.limit = limit
        self.admitted = 0
        self._holds: list[tuple[Extends, Failed]] = []

    def hold(self, hold: Extends, failed: Failed) -> None:
        """From now on `hold` has to agree as well. `failed` says what its exceptions mean."""
        self._holds.append((hold, failed))

    def admit(self, total: int) -> None:
        """Asks for `total` bytes in all. Raises SizeMismatch, ImageTooLarge, and what a hold raises: StoreFull,
        QuotaExceeded, CatalogUnavailable."""
        if self.size is not None and total > self.size:
            raise errors.SizeMismatch(f"The body is longer than the {self.size} bytes that were declared.")
        if self.limit is not None and total > self.limit:
            raise errors.ImageTooLarge(f"The image is larger than the limit of {self.limit} bytes.")
        if self.size is None:
            self._extend_holds(total)
        self.admitted = total

    def _extend_holds(self, total: int) -> None:
        for hold, failed in self._holds:
            try:
                answer = hold.extend_to(total)
                if answer is not None:
                    raise wrong_answer(hold.extend_to, answer, "must return None, and raise what refuses the bytes")
            except BaseException as error:
                failed(error)
                raise

    def expect_complete(self, total: int) -> None:
        """Raises SizeMismatch where `total` bytes are fewer than declared."""
        if self.size is not None and total < self.size:
            raise errors.SizeMismatch(f"The body has {total} bytes but {self.size} were declared.")


def refuse_too_large(size: int | None, limit: int | None) -> None:
    """Raises ImageTooLarge where a declared size is over the limit (bytes; None: not known, no limit)."""
    if size is not None and limit is not None and size > limit:
        raise errors.ImageTooLarge(f"The image has {size} bytes, the limit is {limit} bytes.")


def octets(chunk: Chunk) -> bytes | memoryview:
    """The bytes of `chunk`, not copied. Raises UsageError for what is not a contiguous buffer."""
    try:
        return chunk if isinstance(chunk, bytes) else memoryview(chunk).cast("B")
    except TypeError as error:
        raise errors.UsageError("A chunk is bytes, a bytearray or a contiguous memoryview.") from error


class WriterState(enum.Enum):
    """The life of a writer: NEW until the driver's base arms it; OPEN; then one of the two ends."""

    NEW = "new"
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


class ObjectWriter(ABC):
    """One object being written. Invisible until `commit`; leaving it without commit aborts it.

    Hooks: `_write` gets non-empty chunks, which never add up to more than the declared size or the limit; `_commit`
    makes the object visible under its key, all at once and only if the key is free; `_abort` removes every trace, the
    object itself if this writer made it visible (and never an object of somebody else), and works after any other hook
    failed, `_commit` included. `_abort` is called at most once.

    Only the owner acts: a child that is forked meanwhile owns nothing here. Its `write` and `commit` are refused, its
    `abort` does nothing.
    """

    __state = WriterState.NEW
    __key = ""
    __store = ""
    __capacity: Hold | None = None
    __total = 0
    __process = 0
    __left_behind = False
    __taken = False
    __admission: Admission

    @abstractmethod
    def _write(self, chunk: bytes | memoryview) -> None:
        """Takes the next bytes. A memoryview is the caller's buffer: it is not touched after the call returns.
        Thread: the upload's; of an upload to several stores one of the store's own. Never two hooks of a writer
        at once. Raises: StoreFull, StoreUnavailable. Tried again by: nobody above the driver; the client
        uploads again. `_abort` follows."""

    @abstractmethod
    def _commit(self) -> ObjectInfo:
        """Makes the object durable and visible. Raises ObjectExists if the key is taken, and leaves that object.
        Thread: the upload's; of an upload to several stores one of the store's own. Never two hooks of a writer
        at once. Raises: ObjectExists, IntegrityError, StoreFull, StoreUnavailable. Tried again by: nobody above
        the driver; the client uploads again. `_abort` follows."""

    @abstractmethod
    def _abort(self) -> None:
        """Removes every trace of what was written.
        Thread: the one of the hook that failed, or the upload's. Raises: any StoreError: it is logged, and
        never hides why the upload ended. Tried again by: nobody; the host notes what is left for removal, and
        `purge` finds it."""

    @final
    @property
    def total(self) -> int:
        """Bytes taken so far."""
        return self.__total

    @final
    @property
    def state(self) -> WriterState:
        """Where the writer is in its life."""
        return self.__state

    @final
    @property
    def left_behind(self) -> bool:
        """Whether the abort failed, so that something under the key may still be there and nobody else's. Where another
        object has the key it is not said, since a removal by the key would harm that one; `purge` finds the rest."""
        return self.__left_behind and not self.__taken

    @final
    @property
    def admission(self) -> Admission:
        """How many bytes the object may have, for whoever asks before the writer does."""
        return self.__admission

    @final
    def write(self, chunk: Chunk) -> None:
        """Takes the next bytes of the object.

        Raises SizeMismatch, ImageTooLarge or StoreFull before the storage sees the first byte that would exceed the
        declared size, the limit or the capacity; UsageError after commit or abort. Any failure aborts the writer.
        """
        self.__expect_open("write")
        try:
            data = chunk if isinstance(chunk, bytes) else octets(chunk)
            total = self.__total + len(data)
            if total > self.__admission.admitted:
                self.__admission.admit(total)
            if data:
                self._write(data)
                self.__total = total
        except BaseException as error:
            self.__failed("writing", error)
            raise

    @final
    def commit(self) -> ObjectInfo:
        """Makes the object visible, durable and complete; returns what the store now holds.

        Raises SizeMismatch if fewer bytes came than declared, ObjectExists if the key is taken, IntegrityError if the
        store says it holds something else; then nothing is left.
        """
        self.__expect_open("commit")
        try:
            self.__admission.expect_complete(self.__total)
            info = self._commit()
            if info.size != self.__total or info.key != self.__key:
                raise errors.IntegrityError(f"The store says {info.size} bytes, {self.__total} were sent.")
            self.__state = WriterState.COMMITTED
            if self.__capacity is not None:
                self.__capacity.settle(self.__total)
        except BaseException as error:
            self.__failed("committing", error)
            raise
        return info

    @final
    def abort(self) -> None:
        """Removes every trace of the object; a no-op after commit or abort. Raises StoreError."""
        if self.__state is not WriterState.OPEN or self.__process != os.getpid():
            return
        self.__state = WriterState.ABORTED
        try:
            self._abort()
        except BaseException as error:
            self.__left_behind = True
            _translated(self.__store, "aborting", error)
            raise
        finally:
            if self.__capacity is not None:
                self.__capacity.release()

    @final
    def __enter__(self) -> Self:
        return self

    @final
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self.abort()
        else:
            self.__abort_quietly()

    @final
    def _arm(self, key: str, admission: Admission, *, capacity: Hold | None, store: str) -> None:
        """Called by `StoreDriver.open_writer` alone, so that no driver can forget to pass a limit on."""
        self.__key, self.__admission, self.__capacity, self.__store = key, admission, capacity, store
        if capacity is not None:
            admission.hold(capacity, partial(_translated, store, "reserving room"))
        self.__process = os.getpid()
        self.__state = WriterState.OPEN

    def __expect_open(self, action: str) -> None:
        if self.__state is not WriterState.OPEN:
            raise errors.UsageError(f"Cannot {action}: this writer is {self.__state.value}.")
        if self.__process != os.getpid():
            raise errors.UsageError(f"Cannot {action}: this writer is another process's, which this one was forked by.")

    def __failed(self, action: str, error: BaseException) -> None:
        """Aborts, and raises what a driver's exception means."""
        self.__taken = isinstance(error, errors.ObjectExists)
        self.__abort_quietly()
        with OnFailure(partial(blamed_on, self.__store)):
            nothing_is_missing(action, error)
        _translated(self.__store, action, error)

    def __abort_quietly(self) -> None:
        """Aborts because something else failed: a failure of the abort is logged and never hides that cause."""
        try:
            self.abort()
        except errors.ImgstoreError as error:
            LOG.warning("Could not remove what was written of %s: %s", self.__key, describe(error))

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        refuse_overrides(cls, ObjectWriter, _WRITER_FINAL)
        refuse_misfits(cls, ObjectWriter)


def _translated(store: str, action: str, error: BaseException) -> None:
    """Raises what a driver's exception means; every error names the store. No method: the admission keeps it, and would
    keep the writer with it."""
    with OnFailure(partial(blamed_on, store)):
        storage_failed(action, error)
    blamed_on(store, error)
