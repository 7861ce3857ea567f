"""Writers that count wrongly, or not at all."""

from __future__ import annotations

from collections.abc import Callable

from imgstore.driver import ObjectWriter, StoreDriver
from imgstore.driver.writer import Admission
from imgstore.model import Chunk
from imgstore.quota import Hold
from tests.contract.mutants.base import Mutant, MutantWriter, caught_by, patched


def _armed(**laws: Callable[..., None]) -> Callable[..., None]:
    """An `_arm` whose admission has other laws."""
    lax = type("Lax", (Admission,), laws)

    def arm(self: ObjectWriter, key: str, admission: Admission, *, capacity: Hold | None, store: str) -> None:
        ObjectWriter._arm(self, key, lax(size=admission.size, limit=admission.limit), capacity=capacity, store=store)

    return arm


@caught_by("test_body_shorter_than_declared_is_refused")
class TakesAShortBody(Mutant):
    @patched(_arm=_armed(expect_complete=lambda self, total: None))
    class WRITER(MutantWriter):
        pass


@caught_by("test_body_longer_than_declared_is_refused", "test_refusal_comes_with_the_chunk_that_exceeds")
class TakesALongBody(Mutant):
    @patched(_arm=_armed(admit=lambda self, total: None))
    class WRITER(MutantWriter):
        pass


def _open_without_limit(
    self: StoreDriver, key: str, *, size: int | None = None, limit: int | None = None, store: str = ""
) -> ObjectWriter:
    return StoreDriver.open_writer(self, key, size=size, store=store)


@caught_by("test_declared_size_above_the_limit_is_refused_at_once", "test_unknown_length_is_held_to_the_limit")
@patched(open_writer=_open_without_limit)
class ForgetsTheLimit(Mutant):
    pass


def _open_with_zero(self: StoreDriver, key: str, *, size: int | None = None, limit: int | None = None) -> ObjectWriter:
    return StoreDriver.open_writer(self, key, size=size or 0, limit=limit)


@caught_by("test_unknown_length_without_limit_takes_any_size")
@patched(open_writer=_open_with_zero)
class TakesUnknownForEmpty(Mutant):
    pass


def _open_lenient(self: StoreDriver, key: str, *, size: int | None = None, limit: int | None = None) -> ObjectWriter:
    known, bound = (None if figure is None or figure < 0 else figure for figure in (size, limit))
    return StoreDriver.open_writer(self, key, size=known, limit=bound)


@caught_by("test_negative_figures_are_the_callers_mistake")
@patched(open_writer=_open_lenient)
class TakesNegativeForUnknown(Mutant):
    pass


def _end_at_empty_chunk(self: ObjectWriter, chunk: Chunk) -> None:
    if not len(chunk):
        self.abort()
    ObjectWriter.write(self, chunk)


@caught_by("test_empty_chunks_count_nothing")
class TakesAnEmptyChunkForTheEnd(Mutant):
    @patched(write=_end_at_empty_chunk)
    class WRITER(MutantWriter):
        pass
