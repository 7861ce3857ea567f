"""What makes the service run with nothing around it: a configuration of its own, and a lock on its database.

One process owns the database, so that at its start it knows that no upload is under way (see `images`). The lock is the
kernel's and ends with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from imgstore import errors
from imgstore.service.options import SECTION

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


def embedded_configuration(directory: Path) -> Path:
    """The configuration file in `directory`, written where it is missing. Raises ConfigurationError."""
    path = directory.resolve() / "imgstore.conf"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
            file.write(_CONFIGURATION.format(directory=str(path.parent).replace("$", "$$")))
    except OSError as error:
        raise _unusable(f"the data directory cannot be used ({error.strerror}).", "Give another --data-dir.") from error
    return path


@contextlib.contextmanager
def only_process(database: Path) -> Iterator[None]:
    """Inside, no other process uses `database` through this function. Raises ConfigurationError."""
    try:
        descriptor = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(
            f"the directory {database.parent.resolve()} cannot be used ({error.strerror}).",
            "Create it, and give it to the user that the service runs as.",
        ) from error
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        raise _unusable(
            f"the database is in use by another process{f' (pid {holder})' if holder else ''}.",
            "Stop that one, or give this one a database of its own.",
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _unusable(problem: str, cure: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(problem, section=SECTION, option="database", cure=cure)
