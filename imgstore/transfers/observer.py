"""Observers: who is told what happens to uploads, downloads, copies and stores, and changes nothing.

A host gives observers to the services; metrics, a log, an audit are observers. An observer is called on the thread that
owns the transfer, and is to return at once. One that raises is logged, and harms nothing.

`LogObserver` writes one line for each image that was stored or copied.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from imgstore import errors
from imgstore.host_answers import kind_of, require
from imgstore.undo import describe, log_stack

LOG = logging.getLogger(__name__)

UPLOAD, DOWNLOAD, COPY = "upload", "download", "copy"


@dataclass(frozen=True, eq=False)
class Transfer:
    """One upload, download or copy, from its beginning to its end: the same object in every call. `stores`: where it is
    to go, or where it is read first; empty where the request names no store that there is. `size` in bytes, None if
    unknown. `began`: by the monotonic clock, in seconds."""

    kind: str
    image_id: str
    stores: Sequence[str]
    size: int | None
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.began


@dataclass(frozen=True)
class Outcome:
    """A transfer that succeeded. `stores`: those that have the image now, or the one that was read last; what was left
    out is not among them. `size`: bytes that were moved; `digests`: the names of those that were computed."""

    stores: Sequence[str]
    size: int
    digests: Sequence[str] = ()


class Observer:
    """What is told. Each transfer begins once, and ends or fails once; subclass it to implement a part only."""

    def began(self, transfer: Transfer) -> None:
        """It was asked for, and nothing has been looked at yet."""

    def moved(self, transfer: Transfer, count: int) -> None:
        """So many bytes more have passed, called for each chunk."""

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        """It succeeded."""

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        """It did not; None: its owner gave it up (a client that went away, mostly)."""

    def store_changed(self, store: str, *, up: bool, reason: str) -> None:
        """A store works again, or does no longer, which the host's check of its health found out."""


class Observation:
    """One transfer as its owner tells of it. What was told to have ended cannot end again."""

    def __init__(self, observers: Sequence[Observer], transfer: Transfer) -> None:
        self._observers = observers
        self._transfer = transfer
        self._over = False
        tell(observers, lambda observer: observer.began(transfer))

    def moved(self, count: int) -> None:
        """See Observer."""
        for observer in self._observers:
            try:
                observer.moved(self._transfer, count)
            except Exception as error:  # noqa: BLE001 - of any class: an observer harms nothing
                _raised(error)

    def ended(self, outcome: Outcome) -> None:
        """See Observer."""
        if not self._over:
            self._over = True
            tell(self._observers, lambda observer: observer.ended(self._transfer, outcome))

    def failed(self, error: BaseException | None) -> None:
        """See Observer. An exception that is not the library's is its owner's business: the transfer was given up."""
        if not self._over:
            self._over = True
            cause = error if isinstance(error, errors.ImgstoreError) else None
            tell(self._observers, lambda observer: observer.failed(self._transfer, cause))


def observed(
    observers: Sequence[Observer], kind: str, image_id: str, stores: Sequence[str], size: int | None
) -> Observation | None:
    """A transfer that begins; None where nobody wants to know."""
    return Observation(observers, Transfer(kind, image_id, stores, size)) if observers else None


def checked_observers(observers: Sequence[Observer]) -> tuple[Observer, ...]:
    """The observers that a host gives. Raises UsageError for what is not one."""
    for observer in observers:
        if not isinstance(observer, Observer):
            raise errors.UsageError(f"{kind_of(observer)} is no Observer: subclass Observer, and give an instance.")
        require(observer, Observer)
    return tuple(observers)


def tell(observers: Sequence[Observer], what: Callable[[Observer], None]) -> None:
    """Tells each of them. Raises nothing."""
    for observer in observers:
        try:
            what(observer)
        except Exception as error:  # noqa: BLE001 - of any class: an observer harms nothing
            _raised(error)


def _raised(error: Exception) -> None:
    LOG.error("An observer failed: %s", describe(error))
    log_stack(error)


class LogObserver(Observer):
    """One line at INFO for each image that was stored or copied."""

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        """See Observer."""
        if transfer.kind != DOWNLOAD:
            LOG.info(
                "Image %s: %s to %s, %d bytes in %.1f s (%s)",
                transfer.image_id, transfer.kind, ", ".join(outcome.stores), outcome.size, transfer.seconds,
                ", ".join(outcome.digests),
            )  # fmt: skip
