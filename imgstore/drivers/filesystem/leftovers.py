"""What uploads left behind in a datadir that died with their process: files with a hidden name that nobody writes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from imgstore import errors
from imgstore.drivers.filesystem import staging
from imgstore.drivers.filesystem.directory import Directory
from imgstore.model import Leftover


def find(directory: Directory, *, older_than: float) -> Iterator[Leftover]:
    """The hidden files that nobody holds a lock on, last written `older_than` seconds ago or before."""
    newest = time.time() - older_than
    for name, status in directory.entries():
        if not staging.is_hidden(name) or status.st_mtime > newest:
            continue
        with staging.unowned(directory, name) as free:
            found = free
        if found:
            key = staging.key_of(name)
            yield Leftover(name, "an upload that ended with its process", status.st_size, status.st_mtime, key)


def remove(directory: Directory, leftover: Leftover) -> None:
    """Removes one, unless somebody writes it. Raises InvalidKey for a name that is not a leftover's."""
    if not staging.is_hidden(leftover.name):
        raise errors.InvalidKey("That is not the name of a leftover.")
    with staging.unowned(directory, leftover.name) as free:
        if free:
            directory.discard(leftover.name)


def clear_leftovers(directory: Directory, key: str) -> None:
    """Removes all hidden files of `key`, those of a process that is frozen and holds its lock, too."""
    for name in directory.names():
        if staging.key_of(name) == key:
            directory.discard(name)
