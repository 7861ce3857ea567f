"""Drivers that fail where a test wants it, installed for the processes of these tests by `support.Shop`.

A gate is a fifo in the datadir: the driver waits in it until the test, which knows by that where the driver is, lets it
go on.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from imgstore.drivers.filesystem import FilesystemDriver, staging
from imgstore.drivers.filesystem.reader import FileReader
from imgstore.drivers.filesystem.writer import FileWriter
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB, Leftover, ObjectInfo

GATE = ".gate-"


def wait_at_gate(datadir: str, name: str) -> None:
    """Returns when the test opened the gate and closed it again; at once where there is none."""
    gate = Path(datadir, GATE + name)
    if gate.exists():
        # Not through a file object, which would warn of itself where a signal ends the process here. Not in one call
        # without end either: a signal that comes just before it would wait for its end.
        opened = os.open(gate, os.O_RDONLY)
        while not select.select([opened], [], [], 0.1)[0]:
            continue


class NamedDriver(FilesystemDriver):
    """Stages under hidden names, as on a filesystem without O_TMPFILE."""

    STAGINGS = (staging.named,)


class SilentDriver(MemoryDriver):
    """Has no capability."""

    objects = leftovers = space = None  # type: ignore[assignment]  # how a protocol's method is taken away


class UnsureDriver(MemoryDriver):
    """Has something that may be another store's."""

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        yield Leftover("theirs", "perhaps another store's", certain=False)

    def remove_leftover(self, leftover: Leftover) -> None:
        raise AssertionError(leftover)


class HungDriver(MemoryDriver):
    """Does not answer before a test lets it."""

    goes_on = threading.Event()

    def check(self) -> None:
        self.goes_on.wait()

    def _stat(self, key: str) -> ObjectInfo:
        self.goes_on.wait()
        return super()._stat(key)


class ExitingDriver(MemoryDriver):
    """Its library ends the process, as if all were well."""

    def check(self) -> None:
        raise SystemExit(0)


class _OtherReaderDriver(FilesystemDriver):
    """Reads with another class."""

    READER: ClassVar[type[FileReader]]

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> FileReader:
        reader = super()._open_reader(key, start, stop, etag)
        reader.__class__ = self.READER
        vars(reader)["datadir"] = self._settings.datadir
        return reader


class _BreakingReader(FileReader):
    def _read(self, size: int) -> bytes:
        if self.position >= 2 * MIB:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super()._read(size)


class BreakingDriver(_OtherReaderDriver):
    """Reads nothing behind the first 2 MiB."""

    READER = _BreakingReader


class _LyingReader(FileReader):
    def _read(self, size: int) -> bytes:
        return super()._read(size).replace(b"\x00", b"\x01")


class LyingDriver(_OtherReaderDriver):
    """Gives back ones for zeros."""

    READER = _LyingReader


class CopyingDriver(FilesystemDriver):
    """Makes copies by itself, wrong ones of `bad`, and takes no bytes but those of `key` and `bad`."""

    def copy(self, source: str, target: str) -> ObjectInfo:
        datadir = Path(self._settings.datadir)
        os.link(datadir / source, datadir / target)
        if source == "bad":
            (datadir / target).unlink()
            (datadir / target).write_bytes(b"something else")
        return self.stat(target)

    def _open_writer(self, key: str, size: int | None) -> FileWriter:
        assert key in {"key", "bad"}
        return super()._open_writer(key, size)


class _GatedReader(FileReader):
    datadir = ""

    def _read(self, size: int) -> bytes:
        if self.position >= MIB:
            wait_at_gate(self.datadir, "read")
        return super()._read(size)


class _GatedWriter(FileWriter):
    datadir = ""

    def _commit(self) -> ObjectInfo:
        wait_at_gate(self.datadir, "commit")
        return super()._commit()


class GatedDriver(_OtherReaderDriver):
    """Waits at the gate `read` before it reads the second MiB, at the gate `commit` before it commits."""

    READER = _GatedReader

    def _open_writer(self, key: str, size: int | None) -> FileWriter:
        writer = super()._open_writer(key, size)
        writer.__class__ = _GatedWriter
        vars(writer)["datadir"] = self._settings.datadir
        return writer
