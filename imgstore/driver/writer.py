"""The writer's half of the SPI: the rules of every object being written, kept here once for all drivers.

Law 1: invisible until commit, and what is not committed is aborted. Law 2: the declared size, the limit and the store's
capacity are compared before the storage sees the byte that would exceed. A driver's subclass implements `_write`,
`_commit` and `_abort`, and carries no flags and no counters.
"""

from __future__ import annotations

import enum
import logging
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, final

from imgstore import errors
from imgstore.driver.translate import OnFailure, refuse_overrides, storage_failures
from imgstore.model import Chunk, ObjectInfo
from imgstore.quota import Hold
from imgstore.undo import describe

if TYPE_CHECKING:
    from typing_extensions import Self

LOG = logging.getLogger(__name__)

_WRITER_FINAL = frozenset(
    {"admit", "expect_complete", "write", "commit", "abort", "total", "state", "_arm", "__enter__", "__exit__"}
)


def octets(chunk: Chunk) -> bytes | memoryview:
    """The bytes of `chunk`, not copied. Raises UsageError for what is not a contiguous buffer."""
    try:
        return chunk if isinstance(chunk, bytes) else memoryview(chunk).cast("B")
    except TypeError as error:
        raise errors.UsageError("A chunk is bytes, a bytearray or a contiguous memoryview.") from error


def refuse_excess(total: int, *, size: int | None, limit: int | None) -> None:
    """Raises SizeMismatch or ImageTooLarge for `total` bytes where `size` were declared and `limit` are allowed (None:
    not known, no limit)."""
    if size is not None and total > size:
        raise errors.SizeMismatch(f"The body is longer than the {size} bytes that were declared.")
    if limit is not None and total > limit:
        raise errors.ImageTooLarge(f"The image is larger than the limit of {limit} bytes.")


def refuse_short(total: int, *, size: int | None) -> None:
    """Raises SizeMismatch where fewer than the declared bytes came."""
    if size is not None and total < size:
        raise errors.SizeMismatch(f"The body has {total} bytes but {size} were declared.")


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
    """

    __state = WriterState.NEW
    __key = ""
    __size: int | None = None
    __limit: int | None = None
    __room: Hold | None = None
    __total = 0

    @abstractmethod
    def _write(self, chunk: bytes | memoryview) -> None:
        """Takes the next bytes. A memoryview is the caller's buffer: it is not touched after the call returns."""

    @abstractmethod
    def _commit(self) -> ObjectInfo:
        """Makes the object durable and visible. Raises ObjectExists if the key is taken, and leaves that object."""

    @abstractmethod
    def _abort(self) -> None:
        """Removes every trace of what was written."""

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
    def admit(self, total: int) -> None:
        """Says now what writing up to `total` bytes will say, for callers that gather small chunks."""
        self.__expect_open("write")
        with OnFailure(self.__abort_quietly):
            self.__admit(total)

    @final
    def expect_complete(self) -> None:
        """Says now what `commit` will say of a body shorter than declared. Raises SizeMismatch."""
        self.__expect_open("commit")
        with OnFailure(self.__abort_quietly):
            self.__refuse_short()

    @final
    def write(self, chunk: Chunk) -> None:
        """Takes the next bytes of the object.

        Raises SizeMismatch, ImageTooLarge or StoreFull before the storage sees the first byte that would exceed the
        declared size, the limit or the capacity; UsageError after commit or abort. Any failure aborts the writer.
        """
        self.__expect_open("write")
        with OnFailure(self.__abort_quietly), storage_failures("writing"):
            data = octets(chunk)
            self.__admit(self.__total + len(data))
            if data:
                self._write(data)
                self.__total += len(data)

    @final
    def commit(self) -> ObjectInfo:
        """Makes the object visible, durable and complete; returns what the store now holds.

        Raises SizeMismatch if fewer bytes came than declared, ObjectExists if the key is taken, IntegrityError if the
        store says it holds something else; then nothing is left.
        """
        self.__expect_open("commit")
        with OnFailure(self.__abort_quietly), storage_failures("committing"):
            self.__refuse_short()
            info = self._commit()
            if info.size != self.__total or info.key != self.__key:
                raise errors.IntegrityError(f"The store says {info.size} bytes, {self.__total} were sent.")
            self.__state = WriterState.COMMITTED
            if self.__room is not None:
                self.__room.settle(self.__total)
        return info

    @final
    def abort(self) -> None:
        """Removes every trace of the object; a no-op after commit or abort."""
        if self.__state is not WriterState.OPEN:
            return
        self.__state = WriterState.ABORTED
        try:
            with storage_failures("aborting"):
                self._abort()
        finally:
            if self.__room is not None:
                self.__room.release()

    @final
    def __enter__(self) -> Self:
        return self

    @final
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is None:
            self.abort()
        else:
            self.__abort_quietly(error)

    @final
    def _arm(self, key: str, size: int | None, limit: int | None, room: Hold | None) -> None:
        """Called by `StoreDriver.open_writer` alone, so that no driver can forget to pass a limit on."""
        self.__key, self.__size, self.__limit, self.__room = key, size, limit, room
        self.__state = WriterState.OPEN

    def __admit(self, total: int) -> None:
        refuse_excess(total, size=self.__size, limit=self.__limit)
        if self.__room is not None:
            self.__room.extend_to(total)

    def __refuse_short(self) -> None:
        refuse_short(self.__total, size=self.__size)

    def __expect_open(self, action: str) -> None:
        if self.__state is not WriterState.OPEN:
            raise errors.UsageError(f"Cannot {action}: this writer is {self.__state.value}.")

    def __abort_quietly(self, _: BaseException) -> None:
        """Aborts because something else failed: a failure of the abort is logged and never hides that cause (law 3)."""
        try:
            self.abort()
        except errors.ImgstoreError as error:
            LOG.warning("Could not remove what was written of %s: %s", self.__key, describe(error))

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        refuse_overrides(cls, ObjectWriter, _WRITER_FINAL)
