"""A writer for storages that take a small object in one request and a large one in parts, sent in parallel.

Up to `threshold` bytes everything stays in memory and one `_put` on the caller's thread stores it; no thread is
started. The byte that exceeds begins the parts. The driver's hooks name what differs: `_put`, `_begin`, `_send`,
`_complete` and `_discard`; retries are theirs. Whatever may have been begun is discarded, after the last part in
flight has ended (laws 1 and 3).

Memory (law 6): `threshold` bytes, and what `imgstore.driver.parts` says of itself.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic

from imgstore.driver.parts import Part, PartSender, PartSizes, T
from imgstore.driver.writer import ObjectWriter
from imgstore.model import ObjectInfo


class PartedWriter(ObjectWriter, Generic[T]):
    """One object on its way to a storage. `size` bytes (None: unknown) decides whether the parts begin at once."""

    def __init__(self, *, size: int | None, sizes: PartSizes, threshold: int, concurrency: int) -> None:
        self.__sizes = sizes
        self.__holds = threshold if size is None else size if size <= threshold else 0
        self.__concurrency = concurrency
        self.__small: bytearray | None = None
        self.__sender: PartSender[T] | None = None
        self.__begun = False

    @abstractmethod
    def _put(self, data: memoryview) -> ObjectInfo:
        """Stores a small object, possibly empty, with one request and makes it visible."""

    @abstractmethod
    def _begin(self) -> None:
        """Called once, before the first part."""

    @abstractmethod
    def _send(self, part: Part) -> T:
        """Stores one part; called on several threads at once. `stopping` says whether trying again is of use."""

    @abstractmethod
    def _complete(self, sent: list[T], total: int) -> ObjectInfo:
        """Makes an object of `total` bytes out of all parts, in order, visible."""

    @abstractmethod
    def _discard(self) -> None:
        """Removes every trace: parts, and the object if this writer made it visible. Called when no part is in flight,
        and only if one of the other hooks was called, which may have failed or succeeded unnoticed."""

    @property
    def stopping(self) -> bool:
        """Whether the upload has failed elsewhere, so that no part need be tried again."""
        return self.__sender is not None and self.__sender.stopping

    def _write(self, chunk: bytes | memoryview) -> None:
        if self.__sender is None and self.total + len(chunk) <= self.__holds:
            self.__keep(chunk)
            return
        sender = self.__sender or self.__start()
        sender.write(chunk)

    def _commit(self) -> ObjectInfo:
        if self.__sender is not None:
            return self._complete(self.__sender.finish(), self.total)
        self.__begun = True
        return self._put(self.__kept())

    def _abort(self) -> None:
        if self.__sender is not None:
            self.__sender.cancel()
        self.__small = None
        if self.__begun:
            self._discard()

    def __keep(self, chunk: bytes | memoryview) -> None:
        if self.__small is None:
            self.__small = bytearray(self.__holds)
        self.__small[self.total : self.total + len(chunk)] = chunk

    def __kept(self) -> memoryview:
        return memoryview(self.__small or b"")[: self.total].toreadonly()

    def __start(self) -> PartSender[T]:
        self.__begun = True
        self._begin()
        sender = self.__sender = PartSender(self._send, sizes=self.__sizes, concurrency=self.__concurrency)
        sender.adopt(self.__kept())
        self.__small = None
        return sender
