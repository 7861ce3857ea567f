"""Writers that leave traces, and writers that undo what is not theirs."""

from __future__ import annotations

import contextlib
from types import TracebackType

from imgstore import errors
from imgstore.driver import ObjectWriter
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import Mutant, MutantStorage, MutantWriter, caught_by, patched


class _ByKey(MutantWriter):
    def _abort(self) -> None:
        with contextlib.suppress(errors.ObjectNotFound):
            self.mutant_storage.remove(self.key)


@caught_by("test_abort_of_a_loser_leaves_the_winners_object", "test_refused_loser_leaves_the_winners_object")
class AbortRemovesWhateverIsThere(Mutant):
    WRITER = _ByKey


@patched(abort=lambda self: self._abort())
class _NeverEnds(_ByKey):
    pass


@caught_by("test_abort_after_commit_changes_nothing", "test_second_abort_does_nothing")
class AbortsAsOftenAsItIsAsked(Mutant):
    WRITER = _NeverEnds


@caught_by("test_abort_harms_no_upload_beside_it")
class AbortEndsEveryUploadOfTheKey(Mutant):
    class WRITER(MutantWriter):
        def _abort(self) -> None:
            for writer in self.mutant_storage.writers:
                if writer.key == self.key:
                    writer._chunks.clear()


class _Staged(MutantWriter):
    """Stages under a name that can be seen, and takes it back as it should."""

    def __init__(self, storage: MutantStorage, key: str) -> None:
        super().__init__(storage, key)
        storage.traces.add(f"{key}.part")

    def _commit(self) -> ObjectInfo:
        info = super()._commit()
        self.mutant_storage.traces.discard(f"{self.key}.part")
        return info

    def _abort(self) -> None:
        super()._abort()
        self.mutant_storage.traces.discard(f"{self.key}.part")


@caught_by("test_abort_leaves_nothing")
class AbortLeavesTheStagedFile(Mutant):
    class WRITER(_Staged):
        def _abort(self) -> None:
            self._chunks.clear()


def _exit_after_success_forgets(
    self: ObjectWriter, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
) -> None:
    if error is not None:
        self.abort()


def _exit_after_error_forgets(
    self: ObjectWriter, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
) -> None:
    if error is None:
        self.abort()


@patched(__exit__=_exit_after_success_forgets)
class _LeftOpen(_Staged):
    pass


@caught_by("test_leaving_without_commit_leaves_nothing")
class LeavingDoesNotAbort(Mutant):
    WRITER = _LeftOpen


@patched(__exit__=_exit_after_error_forgets)
class _OpenAfterError(_Staged):
    pass


@caught_by("test_exception_leaves_nothing", "test_body_that_breaks_leaves_nothing")
class ExceptionDoesNotAbort(Mutant):
    WRITER = _OpenAfterError


@patched(_ObjectWriter__abort_quietly=lambda self: None)
class _OpenAfterRefusal(_Staged):
    pass


@caught_by(
    "test_refused_commit_leaves_nothing",
    "test_refused_write_leaves_nothing",
    "test_chunk_that_is_no_buffer_ends_the_writer",
    "test_refused_writer_cannot_be_committed",
)
class RefusalDoesNotAbort(Mutant):
    WRITER = _OpenAfterRefusal
