"""The proof that a datadir works: it is there, and an object can be staged, linked, read and removed.

What an operator can cure by an option is a ConfigurationError; a disk that is full or failing is not, it is the store's
own error.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from imgstore import errors
from imgstore.driver.options import bad
from imgstore.drivers.filesystem.directory import Directory, close_quietly
from imgstore.drivers.filesystem.options import Settings
from imgstore.drivers.filesystem.staging import Staged, Staging, hidden_name

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_CONTENT = b"imgstore"


def make_datadir(settings: Settings) -> None:
    """Creates the datadir where it is missing, and what leads to it. Raises ConfigurationError."""
    try:
        _make(settings.datadir, settings.directory_permissions, settings.fsync)
    except (FileExistsError, NotADirectoryError) as error:
        raise _no_directory(settings) from error
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise bad(
            "datadir", f"{settings.datadir} cannot be created ({_name(error)}).",
            "Create it and give it to the user that the service runs as.",
        ) from error  # fmt: skip


def expect_datadir(settings: Settings) -> None:
    """Raises ConfigurationError unless the datadir is there. It may be on a disk that is not mounted, so a check never
    creates it."""
    try:
        there = _is_directory(settings.datadir)
    except NotADirectoryError as error:
        raise _no_directory(settings) from error
    if not there:
        raise bad(
            "datadir", f"{settings.datadir} is not there.", "Mount its disk; for a new store: imgstore check --create."
        )  # fmt: skip


def prove(directory: Directory, staging: Staging, settings: Settings) -> None:
    """Writes, links, reads and removes a small hidden file. Raises ConfigurationError, StoreError, OSError."""
    try:
        _prove(directory, staging, settings)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise bad(
            "datadir", f"{settings.datadir} cannot be written ({_name(error)}).",
            "Give it to the user that the service runs as, on a filesystem that is mounted for writing.",
        ) from error  # fmt: skip


def _no_directory(settings: Settings) -> errors.ConfigurationError:
    return bad("datadir", f"{settings.datadir} is not a directory.", "Name a directory, or move away what is there.")


def _make(path: str, mode: int, fsync: bool) -> None:
    if _is_directory(path):
        if fsync and _is_empty(path):
            _sync_name_again(path)
        return
    _make(os.path.dirname(path), 0o755, fsync)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
        os.chmod(path, mode)
    if fsync:
        _sync_name(path)


def _sync_name_again(path: str) -> None:
    """Perhaps a start made the directory, and failed or died before the sync. Where that may not be done, it was not
    this service that made it."""
    try:
        _sync_name(path)
    except OSError as error:
        if error.errno not in {*_REFUSED, errno.EINVAL}:
            raise


def _sync_name(path: str) -> None:
    with Directory(os.path.dirname(path)) as above:
        above.sync()


def _is_empty(path: str) -> bool:
    """Not where it may not be read: that is found out when it is used."""
    with contextlib.suppress(PermissionError):
        return not os.listdir(path)
    return False


def _is_directory(path: str) -> bool:
    """Raises NotADirectoryError if something else is there."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return True


def _prove(directory: Directory, staging: Staging, settings: Settings) -> None:
    name = hidden_name("probe")
    staged = staging(directory, "probe", settings.file_permissions)
    with contextlib.ExitStack() as undo:
        undo.callback(staged.discard)
        # Locked, so that a purge in another process leaves it alone while it has a name.
        fcntl.flock(staged.fd, fcntl.LOCK_EX)
        os.pwrite(staged.fd, _CONTENT, 0)
        os.fsync(staged.fd)
        undo.callback(staged.unlink_if_linked, name)  # again, should the first removal fail
        _link(staged, name, settings)
        if settings.fsync:
            _sync(directory)
        _expect_content(directory, name)
        staged.unlink_if_linked(name)


def _link(staged: Staged, name: str, settings: Settings) -> None:
    try:
        staged.link(name)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        raise bad(
            "datadir", f"The filesystem of {settings.datadir} has no hard links ({_name(error)}).",
            "Use one that has: ext4, XFS, Btrfs, ZFS, NFS.",
        ) from error  # fmt: skip


def _sync(directory: Directory) -> None:
    try:
        directory.sync()
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise bad("fsync", "The filesystem cannot sync a directory.", "Turn fsync off or use another one.") from error


def _expect_content(directory: Directory, name: str) -> None:
    fd, _ = directory.open_regular(name)
    try:
        content = os.pread(fd, len(_CONTENT) + 1, 0)
    finally:
        close_quietly(fd)
    if content != _CONTENT:
        raise errors.IntegrityError("The datadir does not give back what was written.")


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
