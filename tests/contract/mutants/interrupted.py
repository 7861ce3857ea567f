"""Drivers that take a request that failed for something else. They speak to a server, so they have a registry apart."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar, TypeVar

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.model import ObjectInfo
from imgstore.testing.faults import FaultProxy
from tests.contract.mutants.base import patched
from tests.contract.over_http import PART, TOKEN, HttpDriver, HttpReader, HttpSubject, HttpWriter

FAILURES = (errors.StoreUnavailable, OSError, http.client.HTTPException)

M = TypeVar("M", bound="type[HttpMutant]")
INTERRUPTED: list[tuple[str, Callable[[], HttpSubject]]] = []
"""Tests, and the subjects of the mutants that they catch."""
CAUGHT = set[str]()
"""The tests' names alone, for who is not to start a server."""


class HttpMutant(HttpDriver):
    """The driver that asks a server, with parts to replace."""

    WRITER: ClassVar[type[HttpWriter]] = HttpWriter
    READER: ClassVar[type[HttpReader]] = HttpReader

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return self.WRITER(self, key)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return self.READER(self, self._stat(key), start)


def register_subject(test: str, subject: Callable[[], HttpSubject]) -> None:
    """A subject whose drivers the test must catch."""
    INTERRUPTED.append((test, subject))
    CAUGHT.add(test)


def caught_by(test: str) -> Callable[[M], M]:
    """Registers a mutant and the test that must catch it."""

    def register(mutant: M) -> M:
        register_subject(test, partial(HttpSubject, mutant))
        return mutant

    return register


@caught_by("test_broken_upload_is_whole_or_undone")
class LeavesThePartsOfABrokenUpload(HttpMutant):
    class WRITER(HttpWriter):
        def _abort(self) -> None:
            """Somebody else may clear them."""


@caught_by("test_broken_upload_is_whole_or_undone")
class ForgetsTheObjectWhoseAnswerWasLost(HttpMutant):
    class WRITER(HttpWriter):
        def _abort(self) -> None:
            self.driver.ask("DELETE", f"parts/{self.key}")


@caught_by("test_broken_upload_is_whole_or_undone")
class TakesALostAnswerForAnotherObject(HttpMutant):
    class WRITER(HttpWriter):
        def _commit(self) -> ObjectInfo:
            try:
                return super()._commit()
            except OSError:
                raise errors.ObjectExists("Another object has the key.") from None


@caught_by("test_broken_upload_is_whole_or_undone")
class TakesABrokenPartForSent(HttpMutant):
    class WRITER(HttpWriter):
        def _send(self, data: bytes) -> None:
            try:
                super()._send(data)
            except FAILURES:
                self.number += 1


@caught_by("test_broken_upload_is_whole_or_undone")
class TakesNothingMoreAfterAFailure(HttpMutant):
    failed = False

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if self.failed:
            raise errors.StoreUnavailable("The connection is closed.")
        return super()._open_writer(key, size)

    class WRITER(HttpWriter):
        def _abort(self) -> None:
            assert isinstance(self.driver, TakesNothingMoreAfterAFailure)
            self.driver.failed = True
            super()._abort()


@caught_by("test_broken_upload_is_whole_or_undone")
class WaitsForEver(HttpMutant):
    def __init__(self, address: str, *, timeout: float | None) -> None:
        super().__init__(address, timeout=None)


def ask_and_leave(writer: HttpWriter) -> None:
    """Whether the server is there, but nobody waits for what it says."""
    with contextlib.closing(http.client.HTTPConnection(writer.driver.address)) as connection:
        connection.request("HEAD", f"/object/{writer.key}")


@caught_by("test_broken_upload_is_whole_or_undone")
class WaitsForEverAndThenForNothing(WaitsForEver):
    class WRITER(HttpWriter):
        def _abort(self) -> None:
            ask_and_leave(self)
            super()._abort()


@caught_by("test_broken_upload_is_whole_or_undone")
class AsksAfterAHungRequestAndWaitsForNothing(HttpMutant):
    """So it gave up two requests, as drivers do on a busy machine."""

    class WRITER(HttpWriter):
        hung = False

        def _commit(self) -> ObjectInfo:
            try:
                return super()._commit()
            except TimeoutError:
                self.hung = True
                raise

        def _abort(self) -> None:
            if not self.hung:
                return super()._abort()
            return ask_and_leave(self)


@caught_by("test_broken_abort_removes_all_or_says_so")
class SaysThatItsBrokenAbortWorked(HttpMutant):
    class WRITER(HttpWriter):
        def _abort(self) -> None:
            try:
                super()._abort()
            except FAILURES:
                return


@caught_by("test_broken_delete_removes_the_object_or_leaves_it_whole")
class DeletesTheDataBeforeTheName(HttpMutant):
    def _delete(self, key: str) -> None:
        self.ask("POST", f"half/{key}")
        super()._delete(key)


@caught_by("test_broken_delete_removes_the_object_or_leaves_it_whole")
class TakesABrokenDeletionForDone(HttpMutant):
    def _delete(self, key: str) -> None:
        try:
            super()._delete(key)
        except FAILURES:
            return


def end_instead_of_failing(reader: HttpReader, size: int = 1) -> bytes:
    """A read as a driver has it that does not count."""
    left = reader.stop - reader.at
    try:
        return reader._read(left) if left else b""
    except FAILURES:
        return b""


@caught_by("test_broken_read_ends_whole_or_with_an_error")
class EndsABrokenReadInSilence(HttpMutant):
    @patched(read=end_instead_of_failing)
    class READER(HttpReader):
        pass


@caught_by("test_broken_read_ends_whole_or_with_an_error")
class FillsABrokenReadWithZeros(HttpMutant):
    class READER(HttpReader):
        def _read(self, size: int) -> bytes:
            try:
                return super()._read(size)
            except FAILURES:
                self.at += size
                return bytes(size)


@caught_by("test_broken_read_is_never_resumed_at_another_object")
class ResumesAtWhateverIsThere(HttpMutant):
    class READER(HttpReader):
        def _read(self, size: int) -> bytes:
            try:
                return super()._read(size)
            except FAILURES:
                stop = self.at + min(size, PART)
                _, data = self.driver.ask("GET", f"object/{self.info.key}", start=self.at, stop=stop)
                self.at += len(data)
                return data


@caught_by("test_broken_question_is_answered_right_or_not_at_all")
class TakesABrokenAnswerForAbsence(HttpMutant):
    def _stat(self, key: str) -> ObjectInfo:
        try:
            return super()._stat(key)
        except FAILURES:
            raise errors.ObjectNotFound("No object is there.") from None


@caught_by("test_broken_question_is_answered_right_or_not_at_all")
class ListsNothingWhereTheListingFails(HttpMutant):
    def objects(self) -> Iterator[ObjectInfo]:
        try:
            return super().objects()
        except FAILURES:
            return iter(())


@caught_by("test_broken_question_is_answered_right_or_not_at_all")
class ListsWithWhateverIsRaised(HttpMutant):
    def objects(self) -> Iterator[ObjectInfo]:
        self.ask("GET", "objects")
        return super().objects()


@caught_by("test_broken_question_is_answered_right_or_not_at_all")
class QuotesItsToken(HttpMutant):
    def _stat(self, key: str) -> ObjectInfo:
        try:
            return super()._stat(key)
        except FAILURES as error:
            raise errors.StoreUnavailable("No answer.", detail=f"X-Token: {TOKEN}: {error!r}") from None


@caught_by("test_broken_copy_is_whole_or_undone")
class LeavesTheCopyWhoseAnswerWasLost(HttpMutant):
    def ask(self, method: str, what: str, body: bytes = b"", **arguments: object) -> tuple[dict[str, str], bytes]:
        if method == "DELETE" and what.startswith("upload/"):
            return {}, b""
        return super().ask(method, what, body, **arguments)


class GoesAroundTheProxy(HttpSubject):
    """Its drivers reach the server all the same."""

    def through(self, proxy: FaultProxy, *, timeout: float) -> HttpDriver:
        return self.open()


register_subject("test_every_request_passes_the_proxy", GoesAroundTheProxy)
register_subject("test_broken_read_ends_whole_or_with_an_error", GoesAroundTheProxy)
