"""An upload under way: bytes are pushed in, and end as an active image or as nothing at all.

`write` passes every byte to the taps, the digests and the targets - one store, or several as one - in this order, after
size, limit, capacity and quota have been asked. `finish` asks the catalog whether the attempt still owns its image,
commits, makes the image active, and settles the quota; leaving the session otherwise undoes everything, newest first.
Memory, besides the caller's own chunk: GATHER bytes of small chunks, the larger of the digests' and the stores' windows
(both hold the end of the same stream), and what each driver's writer says of itself.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.catalog import AttemptCatalog
from imgstore.driver.translate import OnFailure, host_failed, host_failures, is_foreign
from imgstore.driver.writer import octets
from imgstore.host_answers import answer_of, nothing, truth, wrong_answer
from imgstore.model import Attempt, Chunk, UploadResult
from imgstore.store import named
from imgstore.transfers.digests import Digests
from imgstore.transfers.expected import NOTHING_EXPECTED, Expected
from imgstore.transfers.observer import Observation, Outcome, committing
from imgstore.transfers.taps import Tap
from imgstore.transfers.target import Target, Targets
from imgstore.undo import Undo, describe, log_stack

if TYPE_CHECKING:
    from typing_extensions import Self

LOG = logging.getLogger(__name__)

GATHER = 64 * 1024


def library_errors() -> OnFailure:
    """Around everything: a failing tap or digest, too, ends as one of the library's errors."""
    return OnFailure(upload_failed)


def upload_failed(error: BaseException) -> None:
    """Raises what a failure of an upload is in the library's words; returns where it is that already. An object that
    has the attempt's key (a catalog restored from a backup repeats its numbers) is not the client's fault, and the next
    attempt has another key."""
    if isinstance(error, errors.ObjectExists):
        taken = errors.StoreUnavailable("The store has another object under the key of this upload.", retry_after=1)
        raise named(taken, error.store or "") from error
    if is_foreign(error):
        log_stack(error)
        raise errors.ImgstoreError("The upload failed inside the service.", detail=describe(error)) from error


@dataclass(frozen=True)
class SessionParts:
    """What was made ready before the first byte, each with its undo in `undo`. `size` and `max_image_size` in bytes;
    `expected`: digests that the bytes must have."""

    attempt: Attempt
    catalog: AttemptCatalog
    targets: Targets
    digests: Digests
    taps: Sequence[Tap]
    undo: Undo
    size: int | None
    max_image_size: int | None
    hash_algo: str
    checksum: bool
    expected: Expected = NOTHING_EXPECTED
    observation: Observation | None = None


class UploadSession:
    """One upload under way; one thread owns it. Use it as a context manager: leaving without `finish` aborts."""

    def __init__(self, parts: SessionParts) -> None:
        self.attempt = parts.attempt
        self._parts = parts
        self._targets = parts.targets
        self._admit, self._write = parts.targets.admit, parts.targets.write
        self._ask: Callable[..., object] = parts.catalog.confirm
        self._digests = parts.digests
        self._observation = parts.observation
        limits = [limit for limit in (parts.size, parts.max_image_size) if limit is not None]
        self._most = min(limits) if limits else None
        self._small: list[bytes] = []
        self._small_bytes = 0
        self._total = 0
        self._uncertain = False
        self._open = True

    @property
    def total(self) -> int:
        """Bytes taken so far."""
        return self._total

    @property
    def room(self) -> int | None:
        """Bytes that may still come before the declared size or the largest image would be exceeded; None: no such
        limit. A caller that reads at most one byte more learns of a refusal at the first byte too many."""
        return None if self._most is None else self._most - self._total

    def write(self, chunk: Chunk) -> None:
        """The next bytes of the image. `bytes` are kept by reference, other buffers are free again on return.

        Raises SizeMismatch, ImageTooLarge, QuotaExceeded, StoreFull, ContentRefused, StoreUnavailable, ImageGone (the
        image was deleted or taken over); each ends the session with everything undone.
        """
        self._expect_open()
        try:
            data = chunk if isinstance(chunk, bytes) else octets(chunk)
            self._total += len(data)
            self._admit(self._total)
            if len(data) < GATHER or self._small:
                self._gather(data)
            else:
                self._pass_on(data)
        except BaseException:
            with OnFailure(self._undo), library_errors(), OnFailure(self._look_for_image):
                raise
        if self._observation is not None:
            self._observation.moved(len(data))

    def finish(self) -> UploadResult:
        """After the last byte: what was written is committed and the image becomes active, or everything is undone.

        Raises SizeMismatch (shorter than declared), ContentRefused, DigestMismatch, ImageGone, StoreUnavailable,
        CatalogUnavailable.
        """
        self._expect_open()
        with OnFailure(self._undo), library_errors():
            result = self._finished()
        self._close_helpers()
        if self._observation is not None:
            stores = [location.store for location in result.locations]
            self._observation.ended(Outcome(stores, self._total, self._digests.names))
        return result

    def abort(self) -> None:
        """Undoes everything; a no-op after `finish` or after a failure."""
        self._undo(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.abort()

    def _expect_open(self) -> None:
        if not self._open:
            raise errors.UsageError("This upload has ended.")

    def _finished(self) -> UploadResult:
        with OnFailure(self._look_for_image):
            self._flush()
            self._targets.expect_complete(self._total)
        findings = self._finish_taps()
        digests = self._digests.hexdigests()
        self._parts.expected.compare(digests)
        self._confirm(certain=True)
        self._parts.undo.push(f"what was committed of {self.attempt.key}", self._remove_objects)
        with OnFailure(self._look_for_image), committing(self._observation, self._total):
            self._targets.commit()
        result = self._result(digests, findings)
        self._activate(result)
        for target in self._targets.all:
            nothing(target.quota.hold.settle, self._total)
        self._parts.undo.forget()
        for target in self._targets.all:
            target.slot.free()
        self._open = False
        return result

    def _undo(self, error: BaseException | None) -> None:
        if self._open:
            self._open = False
            try:
                self._parts.undo.run()
            finally:
                if self._observation is not None:
                    self._observation.failed(error)

    def _look_for_image(self, error: BaseException) -> None:
        """A store is not to blame for what it refuses an attempt that lost its image: recovery has removed what it
        wrote. A catalog that does not answer now leaves the store's error as it is."""
        if isinstance(error, errors.StoreError):
            with contextlib.suppress(errors.CatalogUnavailable):
                self._confirm(certain=True)

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
        self._confirm(certain=False)
        for tap in self._parts.taps:
            tap.write(data)
        self._digests.start(data)
        self._write(data)
        self._digests.settle(data)

    def _confirm(self, *, certain: bool) -> None:
        """An attempt that lost its image must not commit, and learns early that it sends in vain. A connection may
        still freeze between here and the commit: the catalog then refuses to make the image active."""
        try:
            answer = self._ask(self.attempt, certain=certain)
            if answer is not None:
                raise wrong_answer(self._ask, answer, "must return None, and raise ImageGone for a lost image")
        except BaseException as error:
            host_failed("confirming the upload", error)
            raise

    def _finish_taps(self) -> dict[str, str | int]:
        findings: dict[str, str | int] = {}
        for tap in self._parts.taps:
            found: object = answer_of(tap.finish)
            if not isinstance(found, Mapping):
                raise wrong_answer(tap.finish, found, "must return a mapping of what was found")
            findings.update(found)
        return findings

    def _result(self, digests: dict[str, str], findings: dict[str, str | int]) -> UploadResult:
        virtual_size = findings.get("virtual_size")
        return UploadResult(
            image_id=self.attempt.image_id,
            locations=tuple(target.location for target in self._targets.all),
            size=self._total,
            hash_algo=self._parts.hash_algo,
            hash_value=digests[self._parts.hash_algo],
            checksum=digests["md5"] if self._parts.checksum else None,
            virtual_size=virtual_size if isinstance(virtual_size, int) else None,
            findings=findings,
        )

    def _activate(self, result: UploadResult) -> None:
        with host_failures("making the image active"):
            self._uncertain = True
            try:
                nothing(self._parts.catalog.activate, self.attempt, result)
            except errors.ImgstoreError as error:
                self._uncertain = isinstance(error, errors.UsageError)  # a wrong answer says nothing
                raise

    def _remove_objects(self) -> None:
        """Removes committed objects only where it is certain that the image did not become active: the catalog was not
        asked, refused, or gives the image back. Otherwise (its answer got lost) orphans are better than an active image
        without data. Until an object is certainly gone it counts."""
        committed = [target for target in self._targets.all if target.committed]
        for target in committed:
            target.quota.kept_bytes = self._total
        if not committed or (self._uncertain and not self._given_back(committed)):
            return
        removing = Undo()
        for target in committed:
            removing.push(f"object {self.attempt.key} in store {target.store.identifier}", partial(_remove, target))
        removing.run()

    def _given_back(self, committed: Sequence[Target]) -> bool:
        if truth(self._parts.catalog.release, self.attempt, [target.store.identifier for target in committed]):
            return True
        LOG.error(
            "Object %s is kept in %s: whether its image is active is uncertain",
            self.attempt.key, ", ".join(target.store.identifier for target in committed),
        )  # fmt: skip
        return False

    def _close_helpers(self) -> None:
        closing = Undo()
        for tap in self._parts.taps:
            closing.push("a tap", partial(answer_of, tap.close))
        closing.push("the digests' threads", self._digests.close)
        closing.run()


def _remove(target: Target) -> None:
    target.remove()
    target.quota.kept_bytes = None
