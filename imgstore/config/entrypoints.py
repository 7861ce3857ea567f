"""What is installed under an entry-point group, read from the packages' metadata. The only module that knows stevedore.

stevedore keeps what it once found in a file of the user's (`~/.cache/python-entrypoints`). imgstore does without:
nobody asked for the file, nobody removes it, and it is believed after a package was installed over itself within two
minutes. To read the metadata takes about ten milliseconds.

What this module refuses to do: import what is named, or change what stevedore does in a process of somebody else.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from stevedore.extension import ExtensionManager
from stevedore.named import NamedExtensionManager


def entry_points(group: str) -> list[metadata.EntryPoint]:
    """The entry points of `group` as they are now, none of them imported."""
    return _Drivers(group, names=[]).list_entry_points()


def keep_no_file() -> None:
    """For a process that is imgstore's own: what asks stevedore there (cliff, keystoneauth1) leaves no file either."""
    ExtensionManager.list_entry_points = _read  # type: ignore[method-assign, assignment] # stevedore has no switch for it


def _read(manager: ExtensionManager[Any]) -> list[metadata.EntryPoint]:
    return list(metadata.entry_points(group=manager.namespace))


class _Drivers(NamedExtensionManager[object]):
    def list_entry_points(self) -> list[metadata.EntryPoint]:
        return _read(self)
