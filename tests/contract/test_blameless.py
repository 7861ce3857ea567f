"""Good drivers that a busy machine, or a library that they use, makes look wrong: the contract does not blame them."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, background
from imgstore.drivers.memory import MemoryReader
from imgstore.model import MIB, ObjectInfo
from tests.contract.mutants.base import Mutant
from tests.contract.runner import verdict, verdict_on
from tests.contract.test_parted import PartSubject
from tests.core.parted_storage import PartDriver, PartWriter

BLAMELESS: list[tuple[type[Mutant], str]] = []


def blameless(*tests: str) -> Callable[[type[Mutant]], type[Mutant]]:
    """Registers a driver and the tests that might blame it."""

    def register(driver: type[Mutant]) -> type[Mutant]:
        BLAMELESS.extend((driver, test) for test in tests)
        return driver

    return register


@blameless("test_threads_are_returned", "test_descriptors_are_returned")
class LibraryKeepsOneThreadForAll(Mutant):
    """It starts with the first upload of the process, and has a descriptor."""

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if not self.storage.threads:
            self.storage.start_thread()
            self.storage.open_descriptor()
        return super()._open_writer(key, size)


@blameless("test_driver_at_work_does_not_gather_threads_and_descriptors")
class PoolFillsLate(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        writer = super()._open_writer(key, size)
        if 6 < len(self.storage.writers) <= 14:
            self.storage.open_descriptor()
        return writer


@blameless("test_refused_open_returns_its_descriptors")
class RefusalNeedsOneConnectionMore(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        if not self.storage.descriptors:
            self.storage.open_descriptor()
        return super()._open_reader(key, start, stop, etag)


class LingeringReader(MemoryReader):
    def _close(self) -> None:
        super()._close()
        threading.Thread(target=time.sleep, args=(0.1,)).start()


@blameless("test_threads_are_returned")
class RequestEndsAMomentAfterItWasCutOff(Mutant):
    READER = LingeringReader


@blameless("test_threads_are_returned")
class LibraryKeepsThreeThreadsBesideThatRequest(RequestEndsAMomentAfterItWasCutOff):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        while len(self.storage.threads) < 3:
            self.storage.start_thread()
        return super()._open_writer(key, size)


@blameless("test_memory_is_what_the_formula_says")
class LibraryLoadsWhatItKnowsAtFirst(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if "known" not in vars(self.storage):
            vars(self.storage)["known"] = bytearray(16 * MIB)
        return super()._open_writer(key, size)


@blameless("test_temporary_files_are_returned")
class LibraryKeepsOneTemporaryFile(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if "file" not in vars(self.storage):
            vars(self.storage)["file"] = tempfile.mkdtemp()
        return super()._open_writer(key, size)


@blameless("test_checks_side_by_side_pass")
class ChecksOneAfterTheOther(Mutant):
    """All with the same name."""

    ONE = threading.Lock()

    def check(self) -> None:
        with self.ONE:
            self.storage.create("probe", b"imgstore")
            self.storage.remove("probe")


@blameless("test_listing_shows_what_stays_while_others_come_and_go", "test_listing_is_exactly_what_was_committed")
class ListsWhatWasThereAtFirst(Mutant):
    """The newest first, and tells no more than keys and sizes."""

    def objects(self) -> Iterator[ObjectInfo]:
        return iter([ObjectInfo(info.key, info.size) for info in reversed(self.storage.infos())])


@blameless("test_driver_changes_nothing_of_its_process", "test_many_parts_come_back_in_their_order")
@dataclass(init=False)
class IsComparedByItsFields(Mutant):
    """So it cannot be a key of a dictionary."""

    name: str = "fast"


class TakesLongToUndo(PartWriter):
    def _discard(self) -> None:
        time.sleep(0.05)
        super()._discard()


class UndoesSlowly(PartDriver):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return TakesLongToUndo(self.storage, key, size)


@pytest.mark.parametrize(("driver", "test"), BLAMELESS)
def test_good_driver_is_not_blamed(driver: type[Mutant], test: str) -> None:
    assert verdict(test, driver) is None


def test_abort_that_goes_on_for_longer_than_its_caller_waits_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = PartSubject(UndoesSlowly)
    monkeypatch.setattr(background, "MOMENT", 0.0)
    with pytest.raises(errors.StoreUnavailable), subject.open().open_writer("key") as writer:
        writer.write(bytes(2 * subject.largest))
    assert verdict_on("test_abort_leaves_nothing", lambda: contextlib.nullcontext(PartSubject(UndoesSlowly))) is None
