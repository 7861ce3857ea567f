"""How many bytes an object may have: declared size, limit, capacity and quota, which are one law in one object.

The law is exact: it is asked before anything sees the byte that would exceed. It is asked once for each chunk, by
whoever sees the chunk first: by a session for all that it writes to, else by the writer itself.
"""

from __future__ import annotations

from typing import Protocol

from imgstore import errors
from imgstore.driver.translate import Failed
from imgstore.model import Chunk


class Extends(Protocol):
    """What has to agree to more bytes: a hold."""

    def extend_to(self, total: int) -> None:
        """Makes the hold at least `total` bytes. Raises what refuses them."""


class Admission:
    """The law of one object; belongs to one thread. `size`: the declared bytes (None: unknown), `limit`: the most that
    are allowed (None: no limit). `admitted`: bytes that were asked for and may be written."""

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
        for hold, failed in self._holds:
            try:
                hold.extend_to(total)
            except BaseException as error:
                failed(error)
                raise
        self.admitted = total

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
