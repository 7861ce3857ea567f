"""Which files are the configuration: what `--config-file` names, else what IMGSTORE_CONFIG names, else the first that
exists of ./imgstore.conf, ~/.config/imgstore/imgstore.conf and /etc/imgstore/imgstore.conf."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from imgstore.cli.failures import BadUsage

VARIABLE = "IMGSTORE_CONFIG"


def configuration_files(given: Sequence[str] | None) -> list[str]:
    """The files to read; empty if none is named and none is found. Raises BadUsage."""
    if given:
        return list(given)
    if named := os.environ.get(VARIABLE):
        return named.split(os.pathsep)
    found = next((path for path in usual_files() if path.is_file()), None)
    if found is None:
        return []
    if not trusted(found.stat().st_uid, os.geteuid()):
        raise BadUsage(f"{found} belongs to another user. Name it with --config-file to use it.")
    return [str(found)]


def trusted(owner: int, user: int) -> bool:
    """Whether a file that nobody named and that belongs to `owner` may decide where the images of `user` go."""
    return owner in (0, user)


def usual_files() -> list[Path]:
    """Where it is looked for if nobody names it."""
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return [Path("imgstore.conf"), Path(own, "imgstore", "imgstore.conf"), Path("/etc/imgstore/imgstore.conf")]
