"""What is installed under an entry-point group, by the packages' metadata. The only module that knows stevedore.

stevedore writes what it found to a file in the user's home (`~/.cache/python-entrypoints`). For two minutes that file
hides a package that was installed again. imgstore writes no file: it reads the metadata each time, in some ten
milliseconds.
"""

from __future__ import annotations

import functools
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
    return list(metadata.entry_points(group=manager.namespace))


class _Drivers(NamedExtensionManager[object]):
    """Reads the metadata once; stevedore asks for it when the manager is made."""

    @functools.cached_property
    def _found(self) -> list[metadata.EntryPoint]:
        return _read(self)

    def list_entry_points(self) -> list[metadata.EntryPoint]:
        return self._found
