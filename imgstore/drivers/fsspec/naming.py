"""How a whole file gets its name: in one step, and not if the name is taken, as far as the filesystem can do that.

A file is written under a hidden name beside. What is done then depends on the filesystem:

- `file`: a hard link, which fails if the name is taken;
- `sftp`: the protocol's rename, which has to fail if the name is taken (fsspec's own `mv` replaces what is there);
- `webdav`: MOVE with `Overwrite: F`;
- `memory`: one step in the dictionary;
- others that rename: a look whether the name is taken, and fsspec's `mv`.

Object storage needs no hidden name: an object appears when its upload is ended, so that is what a commit does.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from imgstore.driver import is_key

HIDDEN = ".imgstore-upload-"
PROBE = ".imgstore-probe-"
OBJECT_STORAGE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "obs", "oci", "tos"})
"""Protocols whose files are objects, and appear as their upload ends."""
FLAT = OBJECT_STORAGE | {"memory"}
"""Protocols without real directories: one that is missing is empty."""
WEBDAV = frozenset({"webdav", "dav"})
REMEMBERED = 1024

_HIDDEN = re.compile(re.escape(HIDDEN) + r"(.*)~[0-9a-f]{16}")


def hidden_name(key: str) -> str:
    """A name for an upload of `key` that no other upload has, and that is no key."""
    return f"{HIDDEN}{key}~{secrets.token_hex(8)}"


def key_of(name: str) -> str | None:
    """The key in a name that `hidden_name` made; None for any other."""
    match = _HIDDEN.fullmatch(name)
    return match[1] if match is not None and is_key(match[1]) else None


def give_name(protocol: str, filesystem: Any, hidden: str, name: str) -> None:
    """Makes a whole file visible. Raises FileExistsError if the name is taken."""
    _WAYS.get(protocol, _looked_and_moved)(filesystem, hidden, name)


def is_there(filesystem: Any, name: str) -> bool:
    """fsspec's `exists` takes any failure for a no."""
    try:
        filesystem.info(name)
    except FileNotFoundError:
        return False
    return True


def refuse_taken(filesystem: Any, name: str) -> None:
    """Raises FileExistsError."""
    if is_there(filesystem, name):
        raise FileExistsError(name)


class Seconds:
    """SFTP tells times in whole seconds, and nothing else by which an object differs from an earlier one of its size.
    So no second is used twice for one key: it is the next one then. A catalog gives each attempt a key of its own, so
    this happens in tests alone; of another process it knows nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: OrderedDict[str, int] = OrderedDict()

    def next(self, name: str) -> int:
        """Seconds since the epoch, for the file that gets this name."""
        with self._lock:
            second = max(int(time.time()), self._last.pop(name, 0) + 1)
            self._last[name] = second
            if len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
        return second


_SECONDS = Seconds()


def _linked(filesystem: Any, hidden: str, name: str) -> None:
    os.link(hidden, name)
    filesystem.rm_file(hidden)


def _renamed_by_sftp(filesystem: Any, hidden: str, name: str) -> None:
    refuse_taken(filesystem, name)  # for a server that does not keep to the protocol
    second = _SECONDS.next(name)
    filesystem.ftp.utime(hidden, (second, second))
    try:
        filesystem.ftp.rename(hidden, name)
    except OSError:
        refuse_taken(filesystem, name)
        raise


def _moved_by_webdav(filesystem: Any, hidden: str, name: str) -> None:
    """webdav4's exceptions are its own, and this module does not know them."""
    with contextlib.ExitStack() as failed:
        failed.callback(refuse_taken, filesystem, name)
        filesystem.client.move(hidden, name, overwrite=False)
        failed.pop_all()


def _in_memory(filesystem: Any, hidden: str, name: str) -> None:
    file = filesystem.store[hidden]
    if filesystem.store.setdefault(name, file) is not file:
        raise FileExistsError(name)
    del filesystem.store[hidden]


def _looked_and_moved(filesystem: Any, hidden: str, name: str) -> None:
    refuse_taken(filesystem, name)
    filesystem.mv(hidden, name)


_WAYS: dict[str, Callable[[Any, str, str], None]] = {
    **dict.fromkeys(("file", "local"), _linked),
    **dict.fromkeys(("sftp", "ssh"), _renamed_by_sftp),
    **dict.fromkeys(WEBDAV, _moved_by_webdav),
    "memory": _in_memory,
}
KNOWN = frozenset(_WAYS) | OBJECT_STORAGE
"""Protocols of which this module knows how a file gets its name."""
