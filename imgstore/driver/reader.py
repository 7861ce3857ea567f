"""The reader's half of the SPI: a read delivers exactly the bytes it promised, or raises.

A driver's subclass implements `_read` and `_close`; counting and comparing is done here once for all drivers.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, final

from imgstore import errors
from imgstore.driver.signatures import expect_kind, refuse_misfits
from imgstore.driver.translate import asking_failures, refuse_overrides, storage_failures
from imgstore.file_spans import FileSpan
from imgstore.model import MIB, ObjectInfo

if TYPE_CHECKING:
    from typing_extensions import Self

READ_SIZE = MIB
SPAN = 4 * MIB
_READER_FINAL = frozenset(
    {"read", "span", "close", "start", "stop", "position", "_arm", "__iter__", "__enter__", "__exit__"}
)


class ObjectReader(ABC):
    """The bytes `start` to `stop` of one object: exactly those, or an error.

    A driver's subclass sets `info` (the whole object) before it is handed out, and implements `_read` and `_close`.
    After an error no further byte comes: nobody knows where the storage would go on. Nor does one in a child that is
    forked meanwhile: the connection is its parent's. `RESUMES`: the reader tries by itself to go on after a break, at
    the same object, so nobody above it does.
    """

    RESUMES: ClassVar[bool] = False

    info: ObjectInfo
    __start = 0
    __stop = 0
    __position = 0
    __closed = False
    __failed = False
    __process = 0
    __span: FileSpan | None = None
    __has_spans = True

    @abstractmethod
    def _read(self, size: int) -> bytes:
        """The next 1 to `size` bytes; b"" where the store has no more.
        Thread: the download's. Never two hooks of a reader at once. Raises: StoreUnavailable, ObjectChanged,
        IntegrityError. Tried again by: the driver, where `RESUMES` is true; else the download opens the object
        again where it broke."""

    @abstractmethod
    def _close(self) -> None:
        """Returns connection, descriptor, threads. Called once, also in the middle of the range.
        Thread: the download's. Never two hooks of a reader at once. Raises: StoreError: it is logged. Tried
        again by: nobody."""

    def _descriptor(self) -> int | None:
        """The open file whose bytes are the object's, at the same offsets, where the storage is one.
        Thread: the download's. Never two hooks of a reader at once; no input or output. Raises: nothing. Tried
        again by: nobody."""
        return None

    @final
    @property
    def start(self) -> int:
        """Offset of the first byte in the object."""
        return self.__start

    @final
    @property
    def stop(self) -> int:
        """Offset behind the last byte in the object."""
        return self.__stop

    @final
    @property
    def position(self) -> int:
        """Offset in the object of the byte that is read next."""
        return self.__position + (0 if self.__span is None else self.__span.sent)

    @final
    def read(self, size: int = READ_SIZE) -> bytes:
        """The next 1 to `size` bytes; b"" only after the last byte of the range.

        Raises ObjectTruncated if the store ends early, StoreUnavailable if it fails, UsageError after close, after an
        error, and for a `size` below 1, whose answer would look like the end.
        """
        self.__expect_open()
        if size < 1:
            raise errors.UsageError(f"Cannot read {size} bytes: ask for 1 or more.")
        self.__end_span()
        wanted = min(size, self.__stop - self.__position)
        if wanted <= 0:
            return b""
        self.__failed = True  # unless all goes well, whatever is raised
        with asking_failures("reading"):
            data = self._read(wanted)
            if not isinstance(data, (bytes, bytearray, memoryview)):
                expect_kind(bytes, data, "_read")
        if not data:
            missing = self.__stop - self.__position
            raise errors.ObjectTruncated(f"The store ended the object {missing} bytes early.")
        if len(data) > wanted:
            raise errors.IntegrityError(f"The store sent {len(data)} bytes where {wanted} were asked for.")
        self.__position += len(data)
        self.__failed = False
        return data

    @final
    def span(self) -> FileSpan | None:
        """The next bytes as a span of a file, for whoever can send that without reading it; None where only `read` has
        them: the storage is no file, or not all of a span could be sent. What was sent of it counts as read when the
        reader is used next."""
        self.__expect_open()
        self.__end_span()
        size = min(SPAN, self.__stop - self.__position)
        fd = self._descriptor() if self.__has_spans and size > 0 else None
        self.__span = None if fd is None else FileSpan(fd, self.__position, size)
        return self.__span

    @final
    def __iter__(self) -> Iterator[bytes]:
        while data := self.read():
            yield data

    @final
    def close(self) -> None:
        """Ends the read; a no-op the second time."""
        if not self.__closed:
            self.__closed = True
            if self.__process not in {0, os.getpid()}:
                return
            with storage_failures("closing"):
                self._close()

    @final
    def __enter__(self) -> Self:
        return self

    @final
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @final
    def _arm(self, start: int, stop: int) -> None:
        self.__start = self.__position = start
        self.__stop = stop
        self.__process = os.getpid()

    def __end_span(self) -> None:
        span, self.__span = self.__span, None
        if span is not None:
            self.__position += span.sent
            self.__has_spans = span.sent == span.size

    def __expect_open(self) -> None:
        if self.__closed:
            raise errors.UsageError("Cannot read: this reader is closed.")
        if self.__failed:
            raise errors.UsageError("Cannot read: this reader has failed. Open another one where it stopped.")
        if self.__process != os.getpid():
            raise errors.UsageError("Cannot read: this reader is another process's, which this one was forked by.")

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        refuse_overrides(cls, ObjectReader, _READER_FINAL)
        refuse_misfits(cls, ObjectReader)


class EmptyReader(ObjectReader):
    """No bytes of an object that exists: many storages cannot be asked for an empty range."""

    def __init__(self, info: ObjectInfo) -> None:
        self.info = info

    def _read(self, size: int) -> bytes:
        return b""

    def _close(self) -> None:
        return None
