"""Whether others may read a file that has secrets: told in the log, since it may be meant."""

from __future__ import annotations

import functools
import logging
import os
import stat
from collections.abc import Iterable

LOG = logging.getLogger(__name__)


def warn_of_readers(path: str, secrets: Iterable[str]) -> None:
    """Logs that everybody on the machine may read the `secrets` in a file, each written as `[section] option`."""
    named = sorted(secrets)
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if named and mode & stat.S_IROTH:
        _warn(path, ", ".join(named))


@functools.cache  # a file may be read several times
def _warn(path: str, named: str) -> None:
    LOG.warning(
        "%s has secrets (%s), and everybody on this machine may read it: chmod 640, and the service's group.",
        path, named,
    )  # fmt: skip
