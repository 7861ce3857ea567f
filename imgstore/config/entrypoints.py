"""What is installed under an entry-point group, by the packages' metadata. The only module that knows stevedore.

stevedore writes what it found to a file in the user's home (`~/.cache/python-entrypoints`). For two minutes that file
hides a package that was installed again. imgstore writes no file: it reads the metadata, in some ten milliseconds, and
reads them anew as soon as a directory of `sys.path` has changed.
"""

from __future__ import annotations

import functools
import os
import sys
from importlib import metadata
from typing import Any

from stevedore.extension import ExtensionManager
from stevedore.named import NamedExtensionManager


def entry_points(group: str) -> list[metadata.EntryPoint]:
    """The entry points of `group` as they are now, none of them imported."""
    return _Drivers(group, names=[]).list_entry_points()


def keep_no_file() -> None:
    """For a process of imgstore's own: stevedore then leaves no file for others either (cliff, keystoneauth1)."""
    ExtensionManager.list_entry_points = _read  # type: ignore[method-assign, assignment] # stevedore has no switch for it


def _read(manager: ExtensionManager[Any]) -> list[metadata.EntryPoint]:
    return list(_of_group(manager.namespace, tuple((path, _changed(path)) for path in sys.path)))


class _Drivers(NamedExtensionManager[object]):
    """It has what is installed, and not what stevedore's file says."""

    def list_entry_points(self) -> list[metadata.EntryPoint]:
        return _read(self)


def _changed(path: str) -> int | None:
    """In nanoseconds: a package that is installed or removed changes the directory that its metadata are in."""
    try:
        return os.stat(path or os.curdir).st_mtime_ns
    except OSError:
        return None


@functools.lru_cache(maxsize=64)
def _of_group(group: str, state: tuple[tuple[str, int | None], ...]) -> tuple[metadata.EntryPoint, ...]:
    return tuple(_all(state).select(group=group))


@functools.lru_cache(maxsize=1)
def _all(state: tuple[tuple[str, int | None], ...]) -> Any:  # two types, by the version of Python; both have `select`
    return metadata.entry_points()
