"""How a command ends: exit statuses for scripts, and one line for people.

    0  success
    1  any other failure
    2  the command line, the configuration or a FILE cannot be used
    3  no object under that key
    4  something is already there
    5  a store is unavailable, full or read-only, or a database does not answer: it may work later
    129, 130, 143  ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM
    141  the reader of the output went away

A command that a signal ended has left nothing behind.
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
    (errors.CatalogUnavailable, STORE),
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
    """`error` as one line. An unexpected error is told by its class alone (no secrets)."""
    if isinstance(error, Failure):
        text = str(error)
    elif isinstance(error, errors.ImgstoreError):
        text = describe(error)
    else:
        text = f"internal error: {type(error).__name__} (--debug shows where)"
    return " ".join(text.split())
