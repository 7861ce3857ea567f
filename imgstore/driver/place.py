"""Marks: how a place is known again (law "known by its place").

A mark is an identity that is written into a place once. Whoever remembers it tells the driver, which then works only
where it finds the mark. An unmounted disk, or another bucket of the same name, has none: there nothing is created,
nothing is missing, and nothing counts as removed.

A mark is kept in a small file, or object, of the name MARK_NAME, which is no key.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable

from imgstore import errors

MARK_NAME = ".imgstore-place"
"""The file's or object's name. Two drivers that reach one storage by different protocols meet it both."""

EPOCH_NAME = ".imgstore-epoch"
"""The same for the number by which a restored database is told (`KeepsEpoch`)."""

NOTES = (MARK_NAME, EPOCH_NAME)
"""What a place has besides objects and leftovers."""

FRESH = 60.0
"""Seconds for which a proof holds. A host that checks its stores more often never causes another one."""

_MARK = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TEXT = """\
imgstore place {mark}
This is a store of imgstore. The line above tells it from all others: leave it where it is.
"""
_FIRST_LINE = re.compile(rb"imgstore place ([0-9a-f]{32})\r?\n")
_NUMBER = re.compile(rb"imgstore epoch ([0-9]{1,18})\n")
LONGEST = 4096
"""Bytes of a mark that are read at most."""


def new_mark() -> str:
    """A mark that no place has."""
    return secrets.token_hex(16)


def is_mark(text: str) -> bool:
    """Whether `new_mark` may have made it."""
    return _MARK.fullmatch(text) is not None


def text_of(mark: str) -> bytes:
    """What is written into a place."""
    return _TEXT.format(mark=mark).encode()


def mark_in(text: bytes) -> str | None:
    """The mark in what is read from a place; None where it is something else."""
    match = _FIRST_LINE.match(text)
    return None if match is None else match[1].decode()


def epoch_in(text: bytes) -> int:
    """The number in what is read from a place; 0 where it is something else."""
    match = _NUMBER.match(text)
    return 0 if match is None else int(match[1])


def text_of_epoch(epoch: int) -> bytes:
    """What is written into a place."""
    return b"imgstore epoch %d\n" % epoch


def expect(expected: str, found: str | None) -> None:
    """Raises WrongPlace unless the mark that was found is the one that was expected."""
    if found is None:
        raise errors.WrongPlace("Image storage is not available: its place has no mark.")
    if found != expected:
        raise errors.WrongPlace("Image storage is not available: its place has another mark.")


class PlaceProof:
    """Whether a store's place is the right one. `prove` raises WrongPlace, or what the storage fails with. May be used
    by any thread."""

    def __init__(self, prove: Callable[[], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._prove = prove
        self._clock = clock
        self._good_until: float | None = None
        self._proving = threading.local()

    def expect(self) -> None:
        """Raises WrongPlace unless it was proved lately; proves it again where it was not. A proof itself may use the
        driver."""
        if getattr(self._proving, "now", False):
            return
        if self._good_until is None or self._clock() > self._good_until:
            self.prove()

    def prove(self) -> None:
        """Proves it now. Raises WrongPlace, StoreUnavailable; then every `expect` proves it again."""
        self._good_until = None
        self._proving.now = True
        try:
            self._prove()
        finally:
            self._proving.now = False
        self._good_until = self._clock() + FRESH
