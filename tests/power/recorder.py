"""Records what the filesystem driver asks of the system below one directory.

Everything is really done there, except that nothing waits for the disk, and that O_DIRECT is told but not used: blocks
are small here. A call that changes files and is not known here fails the test, and so does a change that went around
the recorder: `expect_seen` compares the directory with the calls.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.power.disk import DIRECTORY, Call, Disk

UNKNOWN = (
    "replace", "rmdir", "truncate", "writev", "pwritev", "posix_fallocate", "fdatasync", "symlink",
)  # fmt: skip

Event: TypeAlias = "Call | object"
"""A call, or something that whoever records wants to find between the calls."""


class Recorder:
    """What was called, in `events`. `fail_directory_syncs`: how many of the next ones fail. `direct`: how many files
    went past the cache."""

    def __init__(self, patch: pytest.MonkeyPatch, root: Path) -> None:
        self.events: list[Event] = []
        self.fail_directory_syncs = 0
        self.direct = 0
        self._root = str(root)
        self._files: dict[int, int] = {}
        self._directories: dict[int, str] = {}
        self._names: dict[str, int] = {}
        self._last = DIRECTORY
        for name in ("open", "close", "write", "pwrite", "ftruncate", "fsync", "link", "unlink", "rename", "mkdir"):
            patch.setattr(os, name, self._wrapped(getattr(self, f"_{name}"), getattr(os, name)))
        for name in UNKNOWN:
            patch.setattr(os, name, self._refusing(name, getattr(os, name)))
        self._fcntl = fcntl.fcntl
        patch.setattr(fcntl, "fcntl", self._set_flags)

    def expect_seen(self) -> None:
        """Fails if the directory is not what the calls made of it."""
        disk = Disk()
        for event in self.events:
            if isinstance(event, Call):
                disk.apply(event)
        found = {self._below(str(path)): None if path.is_dir() else path.read_bytes() for path in self._paths()}
        assert disk.now() == found

    def _paths(self) -> list[Path]:
        return list(Path(self._root).rglob("*"))

    def _wrapped(self, seen: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return seen(real, *args, **kwargs)

        return call

    def _refusing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            ours = args[0] in self._files or str(args[0]).startswith(self._root) or kwargs
            assert not ours, f"os.{name} is not known to tests/power/recorder.py: add it, and what a power cut leaves"
            return real(*args, **kwargs)

        return call

    def _open(self, real: Any, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd: int = real(path, flags, mode, dir_fd=dir_fd)
        full = self._full(path, dir_fd)
        if full is None:
            return fd
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            self._files[fd] = self._new()
        elif os.path.isdir(full):
            self._directories[fd] = full
        else:
            if full not in self._names:
                self._name(full, self._new())
            self._files[fd] = self._names[full]
        return fd

    def _close(self, real: Any, fd: int) -> None:
        self._files.pop(fd, None)
        self._directories.pop(fd, None)
        real(fd)

    def _write(self, real: Any, fd: int, data: Any) -> int:
        if fd not in self._files:
            return int(real(fd, data))
        return self._pwrite(os.pwrite, fd, data, os.lseek(fd, 0, os.SEEK_CUR))

    def _pwrite(self, real: Any, fd: int, data: Any, offset: int) -> int:
        written: int = real(fd, data, offset)
        self.events.append(Call("write", file=self._files[fd], offset=offset, data=bytes(data[:written])))
        return written

    def _ftruncate(self, real: Any, fd: int, size: int) -> None:
        assert size >= os.fstat(fd).st_size, "the model of a disk only extends files"
        real(fd, size)
        self.events.append(Call("extend", file=self._files[fd], offset=size))

    def _fsync(self, real: Any, fd: int) -> None:
        if fd in self._files:
            self.events.append(Call("sync", file=self._files[fd]))
        elif self.fail_directory_syncs:
            self.fail_directory_syncs -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        elif fd in self._directories:
            self.events.append(Call("sync directory", self._below(self._directories[fd])))

    def _link(
        self, real: Any, source: str, target: str, *, src_dir_fd: int | None = None, dst_dir_fd: int, **kwargs: Any
    ) -> None:
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **kwargs)
        full, from_name = self._full(target, dst_dir_fd), self._full(source, src_dir_fd)
        assert full is not None
        number = self._files[int(os.path.basename(source))] if from_name is None else self._names[from_name]
        self._name(full, number)

    def _unlink(self, real: Any, path: str, *, dir_fd: int | None = None) -> None:
        real(path, dir_fd=dir_fd)
        full = self._full(path, dir_fd)
        if full is not None:
            del self._names[full]
            self.events.append(Call("unlink", self._below(full)))

    def _rename(self, real: Any, source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        """Told as a link and an unlink: that either lasts without the other is more than any disk does."""
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        old, new = self._full(source, src_dir_fd), self._full(target, dst_dir_fd)
        assert old is not None
        assert new is not None
        self._name(new, self._names.pop(old))
        self.events.append(Call("unlink", self._below(old)))

    def _mkdir(self, real: Any, path: str, mode: int = 0o777) -> None:
        real(path, mode)
        full = self._full(path, None)
        if full is not None:
            self._name(full, DIRECTORY)

    def _set_flags(self, fd: int, command: int, flags: int = 0) -> int:
        if command == fcntl.F_SETFL and flags & os.O_DIRECT:
            self.direct += 1
        return self._fcntl(fd, command, flags & ~os.O_DIRECT)

    def _new(self) -> int:
        self._last += 1
        return self._last

    def _name(self, full: str, number: int) -> None:
        self._names[full] = number
        self.events.append(Call("link", self._below(full), number))

    def _full(self, path: str, dir_fd: int | None) -> str | None:
        """The whole path; None for what is not below the root. The root itself is below itself."""
        above = self._directories.get(dir_fd, "/") if dir_fd is not None else ""
        full = os.path.normpath(os.path.join(above, path))
        return full if full == self._root or full.startswith(self._root + "/") else None

    def _below(self, full: str) -> str:
        return full[len(self._root) + 1 :]
