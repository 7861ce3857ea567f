"""The name that pip knows. On the public index `imgstore` is another project, whose files go into the same folder.

The import package, the command and the entry-point groups are called `imgstore` all the same. Whoever tells a user what
to install asks this module, so that nobody is sent to the other project.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import metadata

NAME = "imgstore-backends"
NAMESAKE = "imgstore"
DRIVERS = "imgstore.drivers"
"""The entry-point group of the drivers, which the other project does not have."""


def version() -> str:
    """The version that is installed."""
    return metadata.version(NAME)


def install_extra(extra: str) -> str:
    """How to install an extra of this distribution, as the cure in a message."""
    return install(f"{NAME}[{extra}]")


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around imports of what an extra brings: a failure says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = f"The module '{error.name}' is missing. {install_extra(extra)}"
        raise ModuleNotFoundError(missing, name=error.name, path=error.path) from error


def install(requirement: str) -> str:
    """How to install what is missing, as the cure in a message; with a word on the other project's package, if any."""
    return f"Install it: pip install '{requirement}'. {conflict()}".rstrip()


def conflict() -> str:
    """One sentence about the other project's package where it is installed; else nothing."""
    try:
        other = metadata.distribution(NAMESAKE)
    except metadata.PackageNotFoundError:
        return ""
    if any(point.group == DRIVERS for point in other.entry_points):
        return ""
    return (
        f"Another project's package, {NAMESAKE} {other.version}, overwrites files of {NAME}. Remove it and reinstall: "
        f"pip uninstall {NAMESAKE}; pip install --force-reinstall {NAME}."
    )
