"""Where bytes wait until commit: a file without a name, or with a hidden one where that cannot be had.

The law it keeps: nothing is visible before commit, and creation is exclusive. Either kind gets its final name by a hard
link, which fails if the name is taken and is all or nothing. A file without a name (O_TMPFILE) vanishes with the
process that wrote it. A hidden name outlives a dead process as a leftover; a living writer holds a lock on its file, by
which the two are told apart.

Which kind a filesystem takes is found out by trying (`first_that_works`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from imgstore import errors
from imgstore.drivers.filesystem.directory import Directory, close_quietly, identity_of

_HIDDEN = re.compile(r"\.imgstore-([A-Za-z0-9_-][A-Za-z0-9._-]{0,199})-[0-9a-f]{16}", re.ASCII)
_NOT_SUPPORTED = {
    errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS, errno.ENOENT, errno.EPERM, errno.EXDEV, errno.EMLINK,
}  # fmt: skip
_PROBE = "probe"


class Staged:
    """A file being written: `fd` to write through, `identity` to know it again. `name` None: it has none.

    Takes the descriptor over: it is closed if this fails.
    """

    def __init__(self, directory: Directory, fd: int, *, name: str | None, mode: int) -> None:
        self._directory = directory
        self._name = name
        self.fd = fd
        with contextlib.ExitStack() as undo:
            undo.callback(self.discard)
            status = os.fstat(fd)
            if status.st_mode & 0o7777 != mode:
                os.fchmod(fd, mode)
            self.identity = identity_of(status)
            undo.pop_all()

    def link(self, target: str) -> None:
        """Gives the file its final name, and only that. Raises FileExistsError if the name is taken by another file."""
        try:
            self._link(target)
        except FileExistsError:
            # A network filesystem may have done it and lost the answer.
            if not self._directory.has(target, self.identity):
                raise
        if self._name is not None:
            self._directory.discard(self._name)
            self._name = None

    def rename(self, target: str) -> None:
        """Puts a file with a hidden name in the place of whatever has the name `target`."""
        assert self._name is not None, "a file without a name cannot be renamed"  # noqa: S101 - a defect of the caller
        os.rename(self._name, target, src_dir_fd=self._directory.fd, dst_dir_fd=self._directory.fd)
        self._name = None

    def unlink_if_linked(self, target: str) -> bool:
        """Takes the final name back, if it is this file's; says whether it was."""
        if not self._directory.has(target, self.identity):
            return False
        self._directory.discard(target)
        return True

    def close(self) -> None:
        """Closes the file. Raises OSError for what some filesystems only report now: the bytes may be lost then."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def discard(self) -> None:
        """Removes the hidden name and closes the file."""
        try:
            if self._name is not None:
                self._directory.discard(self._name)
                self._name = None
        finally:
            fd, self.fd = self.fd, -1
            close_quietly(fd)

    def _link(self, target: str) -> None:
        into = self._directory.fd
        if self._name is None:
            # With dst_dir_fd this is linkat with AT_SYMLINK_FOLLOW, the one way to name a file by its descriptor
            # without a privilege.
            os.link(f"/proc/self/fd/{self.fd}", target, dst_dir_fd=into, follow_symlinks=True)
        else:
            os.link(self._name, target, src_dir_fd=into, dst_dir_fd=into, follow_symlinks=False)


Staging: TypeAlias = "Callable[[Directory, str, int], Staged]"


def unnamed(directory: Directory, key: str, mode: int) -> Staged:
    """A file without a name. Raises OSError where the filesystem has no such thing."""
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, mode, dir_fd=directory.fd)
    return Staged(directory, fd, name=None, mode=mode)


def named(directory: Directory, key: str, mode: int) -> Staged:
    """A file with a hidden name, locked. Another one, if a purge removed it before it was locked."""
    while True:
        name = hidden_name(key)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        staged = Staged(directory, os.open(name, flags, mode, dir_fd=directory.fd), name=name, mode=mode)
        with contextlib.ExitStack() as undo:
            undo.callback(staged.discard)
            fcntl.flock(staged.fd, fcntl.LOCK_EX)
            if os.fstat(staged.fd).st_nlink:
                undo.pop_all()
                return staged


def hidden_name(key: str) -> str:
    """A name that no key can have and nobody has had."""
    return f".imgstore-{key}-{secrets.token_hex(8)}"


def is_hidden(name: str) -> bool:
    """Whether `name` was made by `hidden_name`."""
    return _HIDDEN.fullmatch(name) is not None


def key_of(name: str) -> str | None:
    """The key for which `hidden_name` made the name; None if it did not."""
    match = _HIDDEN.fullmatch(name)
    return None if match is None else match[1]


@contextlib.contextmanager
def unowned(directory: Directory, name: str) -> Iterator[bool]:
    """Inside, whether no living process writes the file `name`; while it is True nobody can take it up. A file that is
    gone is not unowned."""
    with contextlib.ExitStack() as closing:
        free = False
        with contextlib.suppress(errors.ObjectNotFound):
            fd, _ = directory.open_regular(name)
            closing.callback(close_quietly, fd)
            free = _try_lock(fd)
        yield free


def _try_lock(fd: int) -> bool:
    """Shared, since over NFS an exclusive lock needs a descriptor open for writing."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def first_that_works(directory: Directory, stagings: Sequence[Staging]) -> Staging:
    """The first kind that this filesystem takes; the last one is not tried. Raises OSError for what is no answer."""
    for staging in stagings[:-1]:
        if _works(directory, staging):
            return staging
    return stagings[-1]


def _works(directory: Directory, staging: Staging) -> bool:
    target = hidden_name(_PROBE)
    try:
        staged = staging(directory, _PROBE, 0o600)
        with contextlib.ExitStack() as undo:
            undo.callback(staged.discard)
            undo.callback(staged.unlink_if_linked, target)  # again, should the first removal fail
            staged.link(target)
            staged.unlink_if_linked(target)
    except OSError as error:
        if error.errno in _NOT_SUPPORTED:
            return False
        raise
    return True
