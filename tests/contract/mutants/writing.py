"""Writers that store something else, overwrite, or mix."""

from __future__ import annotations

from imgstore import errors
from imgstore.driver import ObjectWriter, WriterState
from imgstore.model import Chunk, ObjectInfo
from tests.contract.mutants.base import Mutant, MutantWriter, caught_by, patched

BORDER = 64 * 1024


@caught_by("test_committed_bytes_are_read_back", "test_object_outlives_its_driver")
class FlipsTheLastByte(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            data = self.joined
            self._chunks[:] = [data[:-1], bytes([data[-1] ^ 1])] if data else []
            return super()._commit()


@caught_by("test_commit_tells_what_stat_tells")
class TellsAnotherEtagAtCommit(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            info = super()._commit()
            return ObjectInfo(info.key, info.size, etag="upload-1")


@caught_by("test_empty_object_is_an_object")
class StoresNothingForAnEmptyObject(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            return super()._commit() if self._chunks else ObjectInfo(self.key, 0)


@caught_by("test_chunking_does_not_matter")
class SwapsTheLastTwoOfManyChunks(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            if len(self._chunks) > 1:
                self._chunks[-2:] = self._chunks[:-3:-1]
            return super()._commit()


@caught_by("test_object_may_come_byte_by_byte")
class ForgetsChunksAfterTheFirst256(Mutant):
    class WRITER(MutantWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            super()._write(chunk if len(self._chunks) < 256 else bytes(len(chunk)))


@caught_by("test_object_may_come_in_one_chunk")
class TakesTheFirstBlockOfALargeChunk(Mutant):
    class WRITER(MutantWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            super()._write(bytes(chunk[:BORDER]) + bytes(max(0, len(chunk) - BORDER)))


@caught_by("test_zeros_come_back_as_zeros")
class LosesZerosAtTheEnd(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            data = self.joined
            info = self.mutant_storage.create(self.key, data.rstrip(b"\0"))
            return ObjectInfo(info.key, len(data), info.etag)


@caught_by("test_every_kind_of_buffer_is_taken")
class TakesBytesOnly(Mutant):
    class WRITER(MutantWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            super()._write(chunk if isinstance(chunk, bytes) else bytes(len(chunk)))


@caught_by("test_buffer_is_the_callers_again_after_write")
class KeepsTheCallersBuffer(Mutant):
    class WRITER(MutantWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            self._chunks.append(chunk)  # type: ignore[arg-type] # the mistake


@caught_by("test_existing_object_is_never_overwritten", "test_race_for_one_key_has_exactly_one_winner")
class Overwrites(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            return self.mutant_storage.replace(self.key, self.joined)


@caught_by("test_first_commit_wins_and_the_second_is_refused", "test_refused_loser_leaves_the_winners_object")
class LooksForTheObjectAtOpenOnly(Mutant):
    WRITER = Overwrites.WRITER

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if key in self.storage.names():
            raise errors.ObjectExists("An object is already there under that key.")
        return super()._open_writer(key, size)


def _forgiving_write(self: ObjectWriter, chunk: Chunk) -> None:
    if self.state is WriterState.OPEN:
        ObjectWriter.write(self, chunk)


def _forgiving_commit(self: ObjectWriter) -> ObjectInfo:
    return ObjectWriter.commit(self) if self.state is WriterState.OPEN else ObjectInfo("", 0)


@caught_by("test_writer_that_ended_takes_nothing", "test_aborted_writer_takes_nothing")
class SaysNothingOfCallsAfterTheEnd(Mutant):
    @patched(write=_forgiving_write, commit=_forgiving_commit)
    class WRITER(MutantWriter):
        pass


@caught_by(
    "test_writers_of_different_keys_do_not_meet",
    "test_interleaved_writers_do_not_mix",
    "test_race_for_one_key_leaves_one_whole_object",
)
class WritersShareABuffer(Mutant):
    class WRITER(MutantWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            shared = self.mutant_storage.writers[0]
            shared._chunks.append(bytes(chunk))
            self._chunks = shared._chunks

        def _commit(self) -> ObjectInfo:
            kept = list(self._chunks)
            info = super()._commit()
            self._chunks.extend(kept)
            return info


@caught_by("test_race_for_one_key_leaves_one_whole_object")
class StoresHalfOfAnotherRacersBody(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            rivals = [each for each in self.mutant_storage.writers if each.key == self.key and each is not self]
            if rivals:
                self._chunks[:1] = rivals[0]._chunks[:1]
            return super()._commit()


@caught_by("test_deleted_key_is_free_again")
class KeepsATombstone(Mutant):
    def _delete(self, key: str) -> None:
        super()._delete(key)
        self.tombstone = key

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if getattr(self, "tombstone", None) == key:
            raise errors.ObjectExists("An object was there under that key.")
        return super()._open_writer(key, size)


@caught_by("test_buffer_is_the_callers_again_after_write")
class EncryptsInTheCallersBuffer(Mutant):
    class WRITER(MutantWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            super()._write(chunk)
            if isinstance(chunk, memoryview) and not chunk.readonly:
                chunk[:] = bytes(len(chunk))
