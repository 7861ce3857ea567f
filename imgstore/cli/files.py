"""FILE on the command line: what is read, and what is written whole or not at all.

A new file has no name while it is written, and is linked to its name when it is complete and on the disk. So not even
SIGKILL leaves a part of it. On a filesystem without unnamed files it has a hidden name instead. An existing file is
replaced only on demand; a device, a pipe or a directory never. Memory: one chunk of at most CHUNK bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from imgstore.cli.failures import EXISTS, BadUsage, Failure
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.model import MIB

if TYPE_CHECKING:
    from typing_extensions import Self

STANDARD = "-"
CHUNK = MIB
_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class InputFile:
    """Bytes to store: FILE, or standard input for `-`. `size` is known for a regular file only."""

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == STANDARD else path
        self._own = path != STANDARD
        with reading(self.name):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if self._own else _standard_input()
            status = os.fstat(self._fd)
        if stat.S_ISDIR(status.st_mode):
            self.close()
            raise BadUsage(f"{self.name} is a directory.")
        self.size = self._left(status) if stat.S_ISREG(status.st_mode) else None

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._read():
            yield chunk

    def close(self) -> None:
        """Closes the file; standard input is not ours."""
        if self._own and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _left(self, status: os.stat_result) -> int:
        return max(0, status.st_size - os.lseek(self._fd, 0, os.SEEK_CUR))

    def _read(self) -> bytes:
        try:
            with INTERRUPTS.waiting():
                return os.read(self._fd, CHUNK)
        except OSError as error:
            raise Failure(f"cannot read {self.name}: {error.strerror}") from error


class StandardOutput:
    """Standard output, for an image's bytes. Raises BadUsage if it is a terminal."""

    def __init__(self) -> None:
        if os.isatty(1):
            raise BadUsage("an image cannot be shown on a terminal: redirect standard output, or name a FILE.")

    def write(self, data: bytes) -> None:
        """Writes all of it. Raises Failure, BrokenPipeError if the reader has gone."""
        view = memoryview(data)
        while view:
            try:
                with INTERRUPTS.waiting():
                    written = os.write(1, view)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise Failure(f"cannot write standard output: {error.strerror}") from error
            view = view[written:]


class NewFile:
    """A file that appears at `path` whole, at `commit`, or not at all. Leaving it otherwise leaves nothing.

    Raises Failure (EXISTS) if something is at `path` already; with `replace` a regular file there is replaced.
    """

    def __init__(self, path: str, *, replace: bool) -> None:
        self._path = path
        with self._failures(unusable=True):  # as where the current directory is gone
            followed = os.path.realpath(path) if os.path.exists(path) else os.path.abspath(path)
        self._folder, self._name = os.path.split(followed)
        self._replace = replace
        self._hidden: str | None = None
        self._refuse_taken()
        with self._failures(unusable=True):
            self._directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._fd = self._staged()

    def write(self, data: bytes) -> None:
        """Appends all of `data`. Raises Failure."""
        view = memoryview(data)
        with self._failures():
            while view:
                view = view[os.write(self._fd, view) :]

    def commit(self) -> None:
        """Brings the file to the disk and gives it its name. Raises Failure."""
        with self._failures():
            os.fsync(self._fd)
            if self._replace:
                self._give(self._name_beside())
                os.replace(str(self._hidden), self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
                self._hidden = None
            else:
                self._give_exclusively()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._hidden is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._hidden, dir_fd=self._directory)
        os.close(self._fd)
        os.close(self._directory)

    def _refuse_taken(self) -> None:
        if not os.path.lexists(self._path):
            return
        if not os.path.isfile(self._path):
            raise BadUsage(f"{self._path} is not a regular file: write '-' and redirect standard output there.")
        if not self._replace:
            raise self._taken()

    def _taken(self) -> Failure:
        return Failure(f"{self._path} exists already (--force replaces it).", status=EXISTS)

    def _staged(self) -> int:
        """Opens the file to write to; `_hidden` is its name, if it has one."""
        flags = os.O_WRONLY | os.O_CLOEXEC
        try:
            return os.open(".", flags | os.O_TMPFILE, 0o666, dir_fd=self._directory)
        except OSError as error:
            if error.errno not in _NO_UNNAMED:
                raise
        self._hidden = self._name_beside()
        return os.open(self._hidden, flags | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=self._directory)

    def _name_beside(self) -> str:
        return self._hidden or f".imgstore-get-{secrets.token_hex(8)}"

    def _give(self, name: str) -> None:
        """Gives the staged file its name. Raises FileExistsError."""
        if name == self._hidden:
            return
        into = self._directory
        if self._hidden is None:
            # With dst_dir_fd this is linkat with AT_SYMLINK_FOLLOW, which names a file by its descriptor.
            os.link(f"/proc/self/fd/{self._fd}", name, dst_dir_fd=into, follow_symlinks=True)
            self._hidden = name
        else:
            os.link(self._hidden, name, src_dir_fd=into, dst_dir_fd=into, follow_symlinks=False)

    def _give_exclusively(self) -> None:
        unnamed = self._hidden is None
        try:
            self._give(self._name)
        except FileExistsError as error:
            raise self._taken() from error
        except OSError as error:
            if unnamed or error.errno not in _NO_LINKS:
                raise
            self._rename_if_free()
        if unnamed:
            self._hidden = None

    def _rename_if_free(self) -> None:
        """For filesystems without links. A file that appears between the two steps is replaced."""
        self._refuse_taken()
        os.rename(str(self._hidden), self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        self._hidden = None

    @contextlib.contextmanager
    def _failures(self, *, unusable: bool = False) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"cannot write {self._path}: {error.strerror}"
            raise (BadUsage(message) if unusable else Failure(message)) from error


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Inside, an OSError is the user's mistake."""
    try:
        yield
    except OSError as error:
        raise BadUsage(f"cannot read {name}: {error.strerror}") from error


def _standard_input() -> int:
    if sys.stdin is None:
        raise BadUsage("standard input is closed.")
    return 0
