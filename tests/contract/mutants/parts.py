"""Writers that mix up many parts, or do not take back what was done when its answer is lost."""

from __future__ import annotations

import threading
import time

from imgstore.driver.translate import storage_failures
from imgstore.drivers.memory import MemoryReader
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import Mutant, MutantStorage, MutantWriter, StagingWriter, caught_by, patched
from tests.contract.mutants.writing import BORDER


@caught_by("test_many_parts_come_back_in_their_order")
class PutsPartsInTheOrderOfTheirNames(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            data = self.joined
            parts = {str(at // BORDER + 1): data[at : at + BORDER] for at in range(0, len(data), BORDER)}
            return self.mutant_storage.create(self.key, b"".join(parts[name] for name in sorted(parts)))


@caught_by("test_commit_that_fails_after_it_was_done_leaves_nothing")
class AbortLeavesWhatWasCommitted(Mutant):
    class WRITER(MutantWriter):
        def _abort(self) -> None:
            self._chunks.clear()


@caught_by("test_write_that_fails_after_it_was_done_leaves_nothing")
class AbortRemovesThePartsThatWereAnswered(Mutant):
    class WRITER(StagingWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            if self.total:
                self.mutant_storage.traces.add(f"{self.staged}-{self.total}")
            super()._write(chunk)


@caught_by("test_nothing_arrives_after_an_abort")
class AbortDoesNotWaitForWhatIsInFlight(Mutant):
    """The storage keeps a large upload's last part a moment after the abort has returned."""

    class WRITER(MutantWriter):
        def _abort(self) -> None:
            if len(self.joined) > BORDER:
                self.mutant_storage.late.append((time.monotonic() + 0.3, f"{self.key}.part"))
            super()._abort()


def _read_on(reader: MemoryReader, size: int) -> bytes:
    with storage_failures("reading"):
        return reader._read(size)


@caught_by("test_reader_takes_no_more_after_an_error")
class ReadsOnAfterAnError(Mutant):
    @patched(read=lambda self, size=1: _read_on(self, size))
    class READER(MemoryReader):
        pass


@caught_by("test_writer_and_reader_outlive_the_thread_that_opened_them")
class KeepsItsConnectionPerThread(Mutant):
    class WRITER(MutantWriter):
        def __init__(self, storage: MutantStorage, key: str) -> None:
            super().__init__(storage, key)
            self.connection = threading.local()
            self.connection.open = True

        def _commit(self) -> ObjectInfo:
            if not hasattr(self.connection, "open"):
                raise ConnectionError("This thread has no connection.")
            return super()._commit()


@caught_by("test_many_parts_come_back_in_their_order")
class DeleteLeavesTheLastOfManyParts(Mutant):
    def _delete(self, key: str) -> None:
        is_large = self.storage.get(key).info.size > 5 * BORDER
        super()._delete(key)
        if is_large:
            self.storage.traces.add(f"{key}/12")
