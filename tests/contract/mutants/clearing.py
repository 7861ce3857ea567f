"""Drivers whose uploads leave traces, and whose `clear_leftovers` takes too little or too much."""

from __future__ import annotations

import contextlib

from imgstore import errors
from imgstore.driver import check_key
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import Mutant, StagingWriter, caught_by


class _Leaving(Mutant):
    """Leaves traces, and removes them as it should."""

    WRITER = StagingWriter

    def clear_leftovers(self, key: str) -> None:
        super().clear_leftovers(key)
        for trace in self.traces(key):
            self.storage.traces.discard(trace)

    def traces(self, key: str) -> list[str]:
        return sorted(trace for trace in self.storage.traces if trace.startswith(f"{key}/"))


@caught_by("test_leftovers_of_an_unfinished_upload_are_removed")
class RemovesNoTrace(_Leaving):
    def traces(self, key: str) -> list[str]:
        return []


@caught_by("test_leftovers_of_several_uploads_of_a_key_are_removed")
class RemovesTheTracesOfTheLastUpload(_Leaving):
    def traces(self, key: str) -> list[str]:
        return [writer.staged for writer in self.storage.writers[-1:] if writer.key == key]


@caught_by("test_clearing_leaves_the_object", "test_clearing_of_a_loser_leaves_the_winners_object")
class RemovesTheObjectToo(_Leaving):
    def clear_leftovers(self, key: str) -> None:
        super().clear_leftovers(key)
        with contextlib.suppress(errors.ObjectNotFound):
            self.storage.remove(key)


@caught_by("test_clearing_harms_no_upload_beside_it")
class RemovesTheTracesOfEveryKeyThatBeginsSo(_Leaving):
    class WRITER(StagingWriter):
        """Commits what its parts hold; they are gone if its traces are."""

        def _commit(self) -> ObjectInfo:
            if self.staged not in self.mutant_storage.traces:
                raise errors.StoreUnavailable("The parts are gone.")
            return super()._commit()

    def traces(self, key: str) -> list[str]:
        return sorted(trace for trace in self.storage.traces if trace.startswith(key))


@caught_by("test_upload_whose_leftovers_were_cleared_ends_whole_or_not_at_all")
class CommitsWhatIsLeftOfTheTraces(_Leaving):
    class WRITER(StagingWriter):
        def _commit(self) -> ObjectInfo:
            if self.staged not in self.mutant_storage.traces:
                self._chunks[:] = [bytes(len(chunk)) for chunk in self._chunks]
            return super()._commit()


@caught_by("test_clearing_where_none_are_does_nothing")
class ClearsLeftoversOnce(Mutant):
    removed = ""

    def clear_leftovers(self, key: str) -> None:
        if self.removed == key:
            raise errors.ObjectNotFound("No upload is there under that key.")
        self.removed = key


@caught_by("test_leftovers_of_what_is_no_key_are_refused")
class ClearsLeftoversByPattern(_Leaving):
    def clear_leftovers(self, key: str) -> None:
        with contextlib.suppress(errors.InvalidKey):
            check_key(key)


@caught_by("test_unreachable_storage_is_unavailable_to_what_is_optional")
class RemovesNoTraceWhenItCannot(Mutant):
    def clear_leftovers(self, key: str) -> None:
        with contextlib.suppress(errors.StoreUnavailable):
            super().clear_leftovers(key)
