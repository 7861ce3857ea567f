"""Writers that leave traces, and writers that undo what is not theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from imgstore import errors
from imgstore.driver import ObjectWriter
from tests.contract.mutants.base import Mutant, MutantWriter, StagingWriter, caught_by, patched


@caught_by("test_abort_of_a_loser_leaves_the_winners_object", "test_refused_loser_leaves_the_winners_object")
class AbortRemovesWhateverIsThere(Mutant):
    class WRITER(MutantWriter):
        def _abort(self) -> None:
            with contextlib.suppress(errors.ObjectNotFound):
                self.mutant_storage.remove(self.key)


@caught_by("test_abort_after_commit_changes_nothing", "test_second_abort_does_nothing")
class AbortsAsOftenAsItIsAsked(Mutant):
    @patched(abort=lambda self: self._abort())
    class WRITER(AbortRemovesWhateverIsThere.WRITER):
        pass


@caught_by("test_abort_harms_no_upload_beside_it")
class AbortEndsEveryUploadOfTheKey(Mutant):
    class WRITER(MutantWriter):
        def _abort(self) -> None:
            for writer in self.mutant_storage.writers:
                if writer.key == self.key:
                    writer._chunks.clear()


@caught_by("test_abort_leaves_nothing")
class AbortLeavesTheStagedFile(Mutant):
    class WRITER(StagingWriter):
        def _abort(self) -> None:
            self._chunks.clear()


def _exit(*, aborts_after_error: bool) -> Callable[..., None]:
    """An `__exit__` that aborts after an error, or without one, and not otherwise."""

    def leave(self: ObjectWriter, kind: object, error: BaseException | None, tb: object) -> None:
        if (error is not None) == aborts_after_error:
            self.abort()

    return leave


@caught_by("test_leaving_without_commit_leaves_nothing")
class LeavingDoesNotAbort(Mutant):
    @patched(__exit__=_exit(aborts_after_error=True))
    class WRITER(StagingWriter):
        pass


@caught_by("test_exception_leaves_nothing", "test_body_that_breaks_leaves_nothing")
class ExceptionDoesNotAbort(Mutant):
    @patched(__exit__=_exit(aborts_after_error=False))
    class WRITER(StagingWriter):
        pass


@caught_by(
    "test_refused_commit_leaves_nothing",
    "test_refused_write_leaves_nothing",
    "test_chunk_that_is_no_buffer_ends_the_writer",
    "test_refused_writer_cannot_be_committed",
)
class RefusalDoesNotAbort(Mutant):
    @patched(_ObjectWriter__abort_quietly=lambda self: None)
    class WRITER(StagingWriter):
        pass
