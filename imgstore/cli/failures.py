"""How a command ends: exit statuses for scripts, and one line for people.

    0  good
    1  failed: none of the others
    2  the command line, the configuration or a FILE named on it cannot be used
    3  no object under that key
    4  something is already there
    5  the store is unavailable, full or read-only
    129, 130, 143  ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM; nothing was left behind
    141  whoever read the output went away

What this module refuses to do: print, or end the process.
"""

from __future__ import annotations

from imgstore import errors
from imgstore.undo import describe

GOOD, FAILED, USAGE, NOT_FOUND, EXISTS, STORE = range(6)
SIGNALLED = 128
BROKEN_PIPE = 141

_STATUSES: tuple[tuple[type[errors.ImgstoreError], int], ...] = (
    (errors.ConfigurationError, USAGE),
    (errors.UnknownStore, USAGE),
    (errors.InvalidKey, USAGE),
    (errors.ObjectNotFound, NOT_FOUND),
    (errors.ObjectExists, EXISTS),
    (errors.StoreError, STORE),
)


class Failure(Exception):
    """A command that cannot go on; `status` is the process's."""

    def __init__(self, message: str, *, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


class BadUsage(Failure):
    """What the user wrote cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=USAGE)


def status_of(error: Exception) -> int:
    """The exit status that `error` means."""
    if isinstance(error, Failure):
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAILED)


def line_of(error: Exception) -> str:
    """`error` as one line. Of what nobody expected the class is told, and how to see more."""
    if isinstance(error, Failure):
        text = str(error)
    elif isinstance(error, errors.ImgstoreError):
        text = describe(error)
    else:
        text = f"internal error: {type(error).__name__} (--debug shows where)"
    return " ".join(text.split())
