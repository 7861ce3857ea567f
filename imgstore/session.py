"""An upload under way: bytes are pushed in, and end as an active image or as nothing at all.

`write` passes every byte to the taps, the digests and the store, in this order, after size, limit, capacity and quota
have been compared (law 2, law 4). `finish` commits the object, then makes the image active, then settles the quota;
leaving the session otherwise undoes everything, newest first (laws 1 and 3). Memory (law 6), besides the caller's own
chunk: GATHER bytes of small chunks, the digests' window, and what the driver's writer says of itself.

What this module refuses to do: read, begin anything, know HTTP.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.catalog import ImageCatalog
from imgstore.digests import Digests
from imgstore.driver import ObjectWriter, WriterState
from imgstore.model import Attempt, Chunk, UploadResult
from imgstore.quota import Hold
from imgstore.seam import host_seam
from imgstore.store import Store, named
from imgstore.taps import Tap
from imgstore.undo import Undo, describe
from imgstore.writer import octets

if TYPE_CHECKING:
    from typing_extensions import Self

LOG = logging.getLogger(__name__)

GATHER = 64 * 1024


@contextlib.contextmanager
def library_errors() -> Iterator[None]:
    """Around everything: a failing tap or digest, too, ends as one of the library's errors (law 11). An object in the
    way of an attempt (a catalog restored from a backup repeats its numbers) is not the client's fault, and the next
    attempt has another key."""
    try:
        yield
    except errors.ObjectExists as error:
        in_the_way = errors.StoreUnavailable("An object is in the way of this attempt: try again.", retry_after=1)
        raise named(in_the_way, error.store or "") from error
    except errors.ImgstoreError:
        raise
    except Exception as error:
        raise errors.ImgstoreError("The upload failed inside the service.", detail=describe(error)) from error


class HoldEnd:
    """How the hold ends when the upload fails: released, unless the object had to be kept (see `_remove_object`)."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.kept_bytes: int | None = None

    def __call__(self) -> None:
        if self.kept_bytes is None:
            self.hold.release()
        else:
            self.hold.settle(self.kept_bytes)


@dataclass(frozen=True)
class SessionParts:
    """What `UploadService.begin` has made ready, each with its undo in `undo`. `size` and `max_image_size` in bytes."""

    attempt: Attempt
    store: Store
    catalog: ImageCatalog
    writer: ObjectWriter
    hold: HoldEnd
    digests: Digests
    taps: Sequence[Tap]
    undo: Undo
    size: int | None
    max_image_size: int | None
    hash_algo: str
    checksum: bool


class UploadSession:
    """One upload under way; one thread owns it. Use it as a context manager: leaving without `finish` aborts."""

    def __init__(self, parts: SessionParts) -> None:
        self.attempt = parts.attempt
        self.store = parts.store
        self._parts = parts
        self._catalog = parts.catalog
        self._writer = parts.writer
        self._hold = parts.hold
        self._digests = parts.digests
        self._undo = parts.undo
        self._small: list[bytes] = []
        self._small_bytes = 0
        self._total = 0
        self._refused = False
        self._open = True

    @property
    def total(self) -> int:
        """Bytes taken so far."""
        return self._total

    @property
    def room(self) -> int | None:
        """Bytes that may still come before the declared size or the largest image would be exceeded; None: no such
        limit. Whoever reads at most one byte more learns of a refusal at the byte that exceeds."""
        limits = [limit for limit in (self._parts.size, self._parts.max_image_size) if limit is not None]
        return min(limits) - self._total if limits else None

    def write(self, chunk: Chunk) -> None:
        """The next bytes of the image. `bytes` are kept by reference, other buffers are free again on return.

        Raises SizeMismatch, ImageTooLarge, QuotaExceeded, StoreFull, ContentRefused, StoreUnavailable; each ends the
        session with everything undone.
        """
        self._expect_open()
        with self._undone_on_error():
            data = octets(chunk)
            self._total += len(data)
            with self.store.blamed():
                self._writer.admit(self._total)
            with host_seam("extending the hold on the quota"):
                self._hold.hold.extend_to(self._total)
            self._gather(data)

    def finish(self) -> UploadResult:
        """After the last byte: the object is committed and the image becomes active, or everything is undone.

        Raises SizeMismatch (shorter than declared), ContentRefused, ImageGone, StoreUnavailable, CatalogUnavailable.
        """
        self._expect_open()
        with self._undone_on_error():
            self._flush()
            with self.store.blamed():
                self._writer.expect_complete()
            findings = self._finish_taps()
            digests = self._digests.hexdigests()
            with self.store.blamed():
                result = self._result(digests, findings)
                self._undo.push(
                    f"object {self.attempt.key} committed to store {self.store.identifier}", self._remove_object
                )
                self._writer.commit()
            self._activate(result)
            self._hold.hold.settle(self._total)
            self._undo.forget()
            self._open = False
        self._close_helpers()
        return result

    def abort(self) -> None:
        """Undoes everything; a no-op after `finish` or after a failure."""
        if self._open:
            self._open = False
            self._undo.run()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.abort()

    def _expect_open(self) -> None:
        if not self._open:
            raise errors.UsageError("This upload has ended.")

    @contextlib.contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        try:
            with library_errors():
                yield
        except BaseException:
            self.abort()
            raise

    def _gather(self, data: bytes | memoryview) -> None:
        """Small chunks are put together: a chunk costs every consumer a call, a lock or a system call."""
        if len(data) >= GATHER:
            self._flush()
            self._pass_on(data)
            return
        self._small.append(bytes(data))
        self._small_bytes += len(data)
        if self._small_bytes >= GATHER or len(self._small) >= GATHER // 16:
            self._flush()

    def _flush(self) -> None:
        if self._small:
            data = b"".join(self._small)
            self._small.clear()
            self._small_bytes = 0
            self._pass_on(data)

    def _pass_on(self, data: bytes | memoryview) -> None:
        if not data:
            return
        for tap in self._parts.taps:
            tap.write(data)
        self._digests.start(data)
        with self.store.blamed():
            self._writer.write(data)
        self._digests.settle(data)

    def _finish_taps(self) -> dict[str, str | int]:
        findings: dict[str, str | int] = {}
        for tap in self._parts.taps:
            findings.update(tap.finish())
        return findings

    def _result(self, digests: dict[str, str], findings: dict[str, str | int]) -> UploadResult:
        virtual_size = findings.get("virtual_size")
        return UploadResult(
            image_id=self.attempt.image_id,
            location=self.store.location(self.attempt.key),
            size=self._total,
            hash_algo=self._parts.hash_algo,
            hash_value=digests[self._parts.hash_algo],
            checksum=digests["md5"] if self._parts.checksum else None,
            virtual_size=virtual_size if isinstance(virtual_size, int) else None,
            findings=findings,
        )

    def _activate(self, result: UploadResult) -> None:
        with host_seam("making the image active"):
            try:
                self._catalog.activate(self.attempt, result)
            except errors.ImgstoreError:
                self._refused = True
                raise

    def _remove_object(self) -> None:
        """Removes a committed object only where it is certain that the image did not become active: the catalog
        refused, or gives the image back. Otherwise (the catalog's answer got lost) an orphan is better than an active
        image without data."""
        if self._writer.state is not WriterState.COMMITTED:
            return
        if not self._refused:
            self._hold.kept_bytes = self._total
            if not self._catalog.release(self.attempt):
                LOG.error(
                    "Object %s in store %s is kept: whether its image is active is uncertain",
                    self.attempt.key, self.store.identifier,
                )  # fmt: skip
                return
            self._hold.kept_bytes = None
        with contextlib.suppress(errors.ObjectNotFound):
            self.store.driver.delete(self.attempt.key)

    def _close_helpers(self) -> None:
        closing = Undo()
        for tap in self._parts.taps:
            closing.push("a tap", tap.close)
        closing.push("the digests' threads", self._digests.close)
        closing.run()
