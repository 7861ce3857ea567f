"""Good drivers that a busy machine, or a library that they use, makes look wrong: the contract does not blame them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, background
from imgstore.drivers.memory import MemoryReader
from imgstore.model import MIB
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
