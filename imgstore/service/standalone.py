"""Runs the service with nothing around it: a configuration of its own, and a lock on its database.

The processes that use an SQLite file share a lock on it. A process that gets it alone knows at its start that no upload
is under way, and need not wait for leases to run out. The lock is the kernel's and ends with the process, however that
ends; a frozen process still has it. A database on a server has no such lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from imgstore import errors
from imgstore.service.options import SECTION
from imgstore.sql import Address

PATIENCE, PAUSE = 15.0, 0.05
"""Seconds for which a process waits for another one that is starting, and between two tries."""

CONFIGURATION_FILE = "imgstore.conf"
_CONFIGURATION = """\
# Written at the first start, read at every start: change it as you like.
[imgstore]
enabled_stores = fast:filesystem, slow:filesystem
default_store = fast

[fast]
description = the default store
datadir = {directory}/fast

[slow]
description = another store, named by X-Image-Meta-Store
datadir = {directory}/slow
"""


def standalone_configuration(directory: Path) -> Path:
    """The configuration file in `directory`, written where it is missing. Raises ConfigurationError."""
    path = directory.resolve() / CONFIGURATION_FILE
    try:
        _make_durable(path.parent)
        if not path.exists():
            _write_whole(path, _CONFIGURATION.format(directory=str(path.parent).replace("$", "$$")))
    except OSError as error:
        raise _unusable(f"the data directory cannot be used ({error.strerror}).", "Give another --data-dir.") from error
    return path


def _make_durable(directory: Path) -> None:
    """Creates it where it is missing, and what leads to it; a power cut takes none of them back. Raises OSError."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for each in missing:
        _sync_directory(each.parent)


def _write_whole(path: Path, text: str) -> None:
    """All of it or nothing, also after a power cut; another process may be first. Raises OSError."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileLock:
    """A lock on an SQLite file that all processes of the service share. `alone`: no other process has it, and none gets
    it before `share` is called."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self.alone = descriptor is not None and _lock(descriptor, fcntl.LOCK_EX)

    def share(self, patience: float = PATIENCE) -> None:
        """Shares it with other processes. Raises ConfigurationError if one does not after `patience` seconds."""
        if self._descriptor is None:
            return
        end = time.monotonic() + patience
        while not _lock(self._descriptor, fcntl.LOCK_SH):
            if time.monotonic() > end:
                raise _unusable(
                    "the database is in use by a process that does not share it.",
                    "Stop that process (perhaps an earlier release), or give this one a database of its own.",
                )
            time.sleep(PAUSE)
        self.alone = False


@contextlib.contextmanager
def file_lock(address: Address) -> Iterator[FileLock]:
    """Inside, the process is one of those that use the SQLite file, whatever links lead to it. Raises
    ConfigurationError."""
    if address.file is None:
        yield FileLock(None)
        return
    database = Path(os.path.realpath(address.file))
    _refuse_unusual_file(database)
    try:
        descriptor = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(
            f"the directory {database.parent} cannot be used ({error.strerror}).",
            "Create it, and give it to the user that the service runs as.",
        ) from error
    try:
        yield FileLock(descriptor)
    finally:
        os.close(descriptor)


def _refuse_unusual_file(database: Path) -> None:
    """A lock beside the file would not be found beside its other name, nor would SQLite's own journal."""
    with contextlib.suppress(OSError):  # told when it is opened
        found = database.stat()
        if not stat.S_ISREG(found.st_mode):
            raise _unusable(f"{database} is not a file.", "Give the path of a file, which may be missing yet.")
        if found.st_nlink > 1:
            raise _unusable(
                f"{database} has a second name (a hard link), by which another process may use it unseen.",
                "Remove one of the names, or copy the file.",
            )


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unusable(problem: str, cure: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(problem, section=SECTION, option="database", cure=cure)
