"""Drivers that find too few leftovers, or too many, or remove what is not one any more."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

from imgstore import errors
from imgstore.model import Leftover, ObjectInfo
from tests.contract.mutants.base import SECRET, Mutant, MutantStorage, StagingWriter, caught_by


class _Finding(Mutant):
    """Its uploads leave traces; it finds and removes them as it should: all were written within the hour."""

    WRITER = StagingWriter

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        self.check()
        traces = sorted(self.storage.traces) if isinstance(self.storage, MutantStorage) and not older_than else []
        return (Leftover(name, "an upload", key=name.partition("/")[0]) for name in traces)

    def remove_leftover(self, leftover: Leftover) -> None:
        self.storage.traces.discard(leftover.name)


@caught_by("test_leftovers_of_a_dead_upload_are_found_and_removed")
class FindsNoLeftovers(_Finding):
    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        return super().leftovers(older_than=older_than or 1.0)


@caught_by("test_leftovers_of_a_dead_upload_are_found_and_removed")
class NamesTheWrongKey(_Finding):
    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        return (Leftover(found.name, "an upload", key=found.name) for found in super().leftovers())


@caught_by("test_leftovers_of_a_dead_upload_are_found_and_removed")
class FindsWhateverItsAge(_Finding):
    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        return super().leftovers()


@caught_by("test_leftovers_of_a_dead_upload_are_found_and_removed")
class ComplainsOfALeftoverThatIsGone(_Finding):
    def remove_leftover(self, leftover: Leftover) -> None:
        if leftover.name not in self.storage.traces:
            raise errors.ObjectNotFound("No leftover is there under that name.")
        super().remove_leftover(leftover)


@caught_by("test_upload_that_begins_meanwhile_is_no_leftover")
class RetryTakesTheDeadUploadsName(_Finding):
    class WRITER(StagingWriter):
        def __init__(self, storage: MutantStorage, key: str) -> None:
            super().__init__(storage, key)
            storage.traces.discard(self.staged)
            self.staged = f"{key}/upload"
            storage.traces.add(self.staged)

        def _commit(self) -> ObjectInfo:
            if self.staged not in self.mutant_storage.traces:
                raise errors.StoreUnavailable("The parts are gone.")
            return super()._commit()


@caught_by("test_upload_that_begins_meanwhile_is_no_leftover")
class RemovesTheObjectOfTheLeftoversKey(_Finding):
    def remove_leftover(self, leftover: Leftover) -> None:
        super().remove_leftover(leftover)
        if leftover.key in self.storage.names():
            self.storage.remove(leftover.key)


@caught_by("test_leftovers_of_a_dead_upload_are_found_and_removed")
class LeftoverTellsMilliseconds(_Finding):
    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        found = super().leftovers(older_than=older_than)
        return (dataclasses.replace(each, modified=time.time() * 1000) for each in found)


@caught_by("test_leftovers_of_a_dead_upload_are_found_and_removed")
class LeftoverTellsThePassword(_Finding):
    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        found = super().leftovers(older_than=older_than)
        return (dataclasses.replace(each, reason=f"an upload of {SECRET}") for each in found)
