"""An open directory: every name is looked up here, relative to its descriptor, and never through a symbolic link.

The law it keeps: no operation ever leaves the datadir. A name that is not a regular file (a link, a fifo, a directory,
a device) holds no object and is never waited for. A missing name is ObjectNotFound, a missing datadir is not: that is a
store that is not available.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from imgstore import errors
from imgstore.model import ObjectInfo

if TYPE_CHECKING:
    from typing_extensions import Self

Identity: TypeAlias = "tuple[int, int]"

_NOT_A_FILE = {errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENODEV}
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Directory:
    """A directory held open; use it as a context manager, or `close` it. Raises OSError if it cannot be opened."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.fd = -1
        self.reopen()

    def reopen(self) -> None:
        """Opens it again if it was closed."""
        if self.fd < 0:
            self.fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Gives the descriptor back; a no-op the second time."""
        fd, self.fd = self.fd, -1
        close_quietly(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def regular(self, name: str) -> os.stat_result:
        """The status of a regular file. Raises ObjectNotFound for everything else."""
        status = self.status(name)
        if status is None or not stat.S_ISREG(status.st_mode):
            raise self._not_found()
        return status

    def taken(self, name: str) -> bool:
        """Whether anything at all has this name."""
        return self.status(name) is not None

    def has(self, name: str, identity: Identity) -> bool:
        """Whether this name is that very file."""
        status = self.status(name)
        return status is not None and identity_of(status) == identity

    def open_regular(self, name: str) -> tuple[int, os.stat_result]:
        """A descriptor for reading, and the status of what it reads. Raises ObjectNotFound if it is no regular file."""
        try:
            fd = os.open(name, _READ_FLAGS, dir_fd=self.fd)
        except OSError as error:
            if error.errno in _NOT_A_FILE:
                raise self._not_found() from error
            raise
        with contextlib.ExitStack() as undo:
            undo.callback(close_quietly, fd)
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise self._not_found()
            undo.pop_all()
        return fd, status

    def unlink(self, name: str) -> None:
        """Removes a name. Raises FileNotFoundError."""
        os.unlink(name, dir_fd=self.fd)

    def discard(self, name: str) -> None:
        """Removes a name if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.unlink(name)

    def sync(self) -> None:
        """Makes every name given or removed so far survive a power cut."""
        os.fsync(self.fd)

    def expect_in_place(self) -> None:
        """Raises StoreUnavailable if the path leads elsewhere by now: what is written here would not be found there."""
        if identity_of(os.stat(self._path)) != identity_of(os.fstat(self.fd)):
            raise errors.StoreUnavailable("The datadir was replaced by another one.")

    def names(self) -> list[str]:
        """Every name."""
        return os.listdir(self.fd)

    def entries(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every name and the status of what has it, links not followed."""
        with os.scandir(self.fd) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield entry.name, status

    def status(self, name: str) -> os.stat_result | None:
        """The status of what has this name, links not followed; None for nothing."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _not_found(self) -> errors.StoreError:
        if os.fstat(self.fd).st_nlink == 0:
            return errors.StoreUnavailable("The datadir is gone.")
        return errors.ObjectNotFound("No object has that key.")


def identity_of(status: os.stat_result) -> Identity:
    """What makes a file this file, whatever its names are."""
    return status.st_dev, status.st_ino


def info_of(key: str, status: os.stat_result) -> ObjectInfo:
    """An object's description; the etag changes with the inode, the time of the last write and the size."""
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return ObjectInfo(key=key, size=status.st_size, etag=etag, modified=status.st_mtime)


def close_quietly(fd: int) -> None:
    """Closes a descriptor that nothing was written through: a failure to close it loses nothing."""
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)
