"""Drivers that keep threads and descriptors, or work while they are made."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.drivers.memory import MemoryStorage
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import VARIABLE, Mutant, MutantStorage, MutantWriter, caught_by

if TYPE_CHECKING:
    from typing_extensions import Self

PROCESS = os.getpid()
LATE = 0.05


@caught_by("test_threads_are_returned", "test_driver_at_work_does_not_gather_threads_and_descriptors")
class LeavesAThreadWithEveryUpload(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        self.storage.start_thread()
        return super()._open_writer(key, size)


@caught_by("test_threads_are_returned")
class LeavesAThreadBesideOneThatEndsLate(Mutant):
    """The late one ends within the next driver's life, so that there are as many threads as before."""

    def close(self) -> None:
        super().close()
        if isinstance(self.storage, MutantStorage):
            late = self.storage.threads[:1]
            for thread in late:
                thread.join()
            self.storage.start_thread()
            if not late:
                self.storage.threads.insert(0, threading.Thread(target=time.sleep, args=(LATE,)))
                self.storage.threads[0].start()


@caught_by("test_descriptors_are_returned")
class LeavesADescriptorWithEveryDownload(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        self.storage.open_descriptor()
        return super()._open_reader(key, start, stop, etag)


@caught_by("test_driver_at_work_does_not_gather_threads_and_descriptors")
class ReturnsDescriptorsAtCloseOnly(LeavesADescriptorWithEveryDownload):
    def close(self) -> None:
        self.storage.close_descriptors()


@caught_by("test_refused_open_returns_its_descriptors")
class RefusesARangeWithTheObjectOpen(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        fd = self.storage.open_descriptor()
        reader = super()._open_reader(key, start, stop, etag)
        if start > reader.info.size:
            raise errors.RangeNotSatisfiable("The object ends before.")
        self.storage.close_descriptor(fd)
        return reader


@caught_by("test_refused_commit_returns_its_descriptors")
class RefusedCommitKeepsItsDescriptor(Mutant):
    class WRITER(MutantWriter):
        def __init__(self, storage: MutantStorage, key: str) -> None:
            super().__init__(storage, key)
            self.fd: int | None = storage.open_descriptor()

        def _commit(self) -> ObjectInfo:
            fd, self.fd = self.fd, None  # so the abort does not know it any more
            info = super()._commit()
            self.mutant_storage.close_descriptor(fd)
            return info

        def _abort(self) -> None:
            super()._abort()
            self.mutant_storage.close_descriptor(self.fd)


@caught_by("test_construction_does_no_input_or_output")
class LooksAtTheStorageWhileItIsMade(Mutant):
    @classmethod
    def on(cls, storage: MemoryStorage) -> Self:
        driver = super().on(storage)
        driver.check()
        return driver


@caught_by("test_options_are_the_parameters")
class HasAParameterThatIsNoOption(Mutant):
    def __init__(self, *, capacity: int | None = None, debug: bool = False) -> None:
        super().__init__(capacity=capacity)


@caught_by("test_options_are_the_parameters")
class HasAnOptionThatIsNoParameter(Mutant):
    def __init__(self) -> None:
        super().__init__()


@caught_by("test_parent_and_child_of_a_fork_read_and_write_right")
class ConnectionIsItsParents(Mutant):
    @classmethod
    def on(cls, storage: MemoryStorage) -> Self:
        driver = super().on(storage)
        vars(driver)["process"] = os.getpid()
        return driver

    def _stat(self, key: str) -> ObjectInfo:
        if vars(self)["process"] != os.getpid():
            raise ConnectionError("That was an answer to somebody else.")
        return super()._stat(key)


@caught_by("test_parent_and_child_of_a_fork_read_and_write_right")
class LockOfAnotherThreadIsHeldForEver(Mutant):
    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        if os.getpid() != PROCESS:
            raise TimeoutError("The lock is held.")
        return super()._open_reader(key, start, stop, etag)


@caught_by("test_memory_is_what_the_formula_says")
class KeepsWhatItHasWritten(Mutant):
    class WRITER(MutantWriter):
        def _write(self, chunk: bytes | memoryview) -> None:
            super()._write(chunk)
            vars(self).setdefault("kept", []).append(bytearray(chunk))


@caught_by("test_descriptors_are_returned")
class ListingKeepsItsDescriptor(Mutant):
    def objects(self) -> Iterator[ObjectInfo]:
        if isinstance(self.storage, MutantStorage):
            self.storage.open_descriptor()
        return super().objects()


@caught_by("test_threads_are_returned")
class CheckLeavesAThread(Mutant):
    def check(self) -> None:
        super().check()
        if isinstance(self.storage, MutantStorage):
            self.storage.start_thread()


@caught_by("test_refused_open_returns_its_descriptors")
class RefusesATakenKeyWithAnOpenDescriptor(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        fd = self.storage.open_descriptor()
        if key in self.storage.names():
            raise errors.ObjectExists("An object is already there under that key.")
        self.storage.close_descriptor(fd)
        return super()._open_writer(key, size)


@caught_by("test_refused_open_returns_its_descriptors")
class LooksForAMissingObjectWithAnOpenDescriptor(Mutant):
    def _stat(self, key: str) -> ObjectInfo:
        fd = self.storage.open_descriptor() if isinstance(self.storage, MutantStorage) else None
        info = super()._stat(key)
        if fd is not None:
            self.storage.close_descriptor(fd)
        return info


@caught_by("test_temporary_files_are_returned")
class AbortLeavesItsTemporaryFile(Mutant):
    class WRITER(MutantWriter):
        def __init__(self, storage: MutantStorage, key: str) -> None:
            super().__init__(storage, key)
            fd, self.spool = tempfile.mkstemp()
            os.close(fd)

        def _commit(self) -> ObjectInfo:
            info = super()._commit()
            os.unlink(self.spool)
            return info


@caught_by("test_driver_changes_nothing_of_its_process")
class TellsItsLibraryByTheEnvironment(Mutant):
    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        os.environ[VARIABLE] = key
        return super()._open_writer(key, size)
