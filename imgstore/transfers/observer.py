"""Observers: who is told what happens to uploads, downloads, copies and stores, and changes nothing.

A host gives observers to the services; metrics, a log, an audit are observers. An observer is called on the thread that
owns the transfer, and is to return at once. One that raises is logged, and harms nothing.

`LogObserver` writes one line for each image that was stored or copied.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from imgstore import errors
from imgstore.host_answers import kind_of, require
from imgstore.undo import describe, is_failure, log_stack

LOG = logging.getLogger(__name__)

UPLOAD, DOWNLOAD, COPY = "upload", "download", "copy"
STORE, COMMIT = "store", "commit"


@dataclass(frozen=True, eq=False)
class Transfer:
    """One upload, download or copy, from its beginning to its end: the same object in every call. `stores`: where it is
    to go, or where it is read first; empty where the request names no store that there is. `size` in bytes, None if
    unknown. `began`: by the monotonic clock, in seconds. `context`: the host's own, of who asked for it."""

    kind: str
    image_id: str
    stores: Sequence[str]
    size: int | None
    began: float = field(default_factory=time.monotonic)
    context: object = field(default=None, repr=False)

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


@dataclass(frozen=True)
class Step:
    """A step of a transfer that is over. STORE: the part of one store, from being opened to its commit, its last byte
    or its failure; COMMIT: all stores make the object visible (`store` is None). `began`, `ended`: by the monotonic
    clock. `size`: bytes that the store took or gave. `done`: whether it succeeded; where it did not, `error` says why
    unless the transfer ended elsewhere."""

    name: str
    store: str | None
    began: float
    ended: float
    size: int
    done: bool
    error: errors.ImgstoreError | None = None


class Observer:
    """What is told. Each transfer begins once, and ends or fails once; subclass it to implement a part only."""

    def began(self, transfer: Transfer) -> None:
        """It was asked for, and nothing has been looked at yet."""

    def moved(self, transfer: Transfer, count: int) -> None:
        """So many bytes more have passed, called for each chunk."""

    def stepped(self, transfer: Transfer, step: Step) -> None:
        """A step of it is over. Told before its end, on its thread; a store that was not opened has none."""

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        """It succeeded."""

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        """It did not; None: its owner gave it up (a client that went away, mostly)."""

    def store_changed(self, store: str, *, up: bool, reason: str) -> None:
        """A store works again, or does no longer, which the host's check of its health found out."""


class Part:
    """A store's part in a transfer, noted by whichever thread drives the store. It ends once. `told`: somebody is; else
    no failure is kept, whose frames have the transfer."""

    def __init__(self, store: str) -> None:
        self.store = store
        self.told = True
        self.began = time.monotonic()
        self.ended: float | None = None
        self.failure: BaseException | None = None

    def end(self, failure: BaseException | None = None) -> None:
        """It is over now."""
        if self.ended is None:
            self.ended, self.failure = time.monotonic(), failure if self.told else None

    def step(self, size: int, *, done: bool) -> Step:
        """As it is told, once, since the failure is forgotten. One that has not ended ends
        now."""
        ended, failure, self.failure = time.monotonic() if self.ended is None else self.ended, self.failure, None
        return Step(STORE, self.store, self.began, ended, size, done, None if done else _ours(failure))


class Steps(Protocol):
    """The parts of the stores in a transfer that ended by `error`, or was `done`."""

    def __call__(self, error: BaseException | None, *, done: bool) -> Iterable[Step]: ...


def _no_steps(error: BaseException | None, *, done: bool) -> Iterable[Step]:
    return ()


class Observation:
    """One transfer as its owner tells of it. What was told to have ended cannot end again. `steps`: what the stores
    that are written to have done by its end."""

    def __init__(self, observers: Sequence[Observer], transfer: Transfer) -> None:
        self._observers = observers
        self._transfer = transfer
        self._over = False
        self._moved = 0
        self._reading: Part | None = None
        self.steps: Steps = _no_steps
        tell(observers, lambda observer: observer.began(transfer))

    def moved(self, count: int) -> None:
        """See Observer."""
        self._moved += count
        for observer in self._observers:
            try:
                observer.moved(self._transfer, count)
            except BaseException as error:  # noqa: BLE001 - of any class: an observer harms nothing
                _raised(error)

    def stepped(self, step: Step) -> None:
        """See Observer."""
        tell(self._observers, lambda observer: observer.stepped(self._transfer, step))

    def reads(self, store: str) -> None:
        """From now on the bytes come from this store."""
        self._end_reading(None, done=False)
        self._reading, self._moved = Part(store), 0

    def troubled(self, error: errors.ImgstoreError) -> None:
        """The store that is read failed; it may be read on all the same."""
        if self._reading is not None:
            self._reading.failure = error

    def _end(self, error: BaseException | None, *, done: bool) -> None:
        self._end_reading(error, done=done)
        for step in self.steps(error, done=done):
            self.stepped(step)

    def _end_reading(self, error: BaseException | None, *, done: bool) -> None:
        part, self._reading = self._reading, None
        if part is not None:
            part.end(part.failure or error)
            self.stepped(part.step(self._moved, done=done))

    def ended(self, outcome: Outcome) -> None:
        """See Observer."""
        if not self._over:
            self._over = True
            self._end(None, done=True)
            tell(self._observers, lambda observer: observer.ended(self._transfer, outcome))

    def failed(self, error: BaseException | None) -> None:
        """See Observer. An exception that is not the library's is its owner's business: the transfer was given up."""
        if not self._over:
            self._over = True
            self._end(error, done=False)
            cause = _ours(error)
            tell(self._observers, lambda observer: observer.failed(self._transfer, cause))


def observed(
    observers: Sequence[Observer], kind: str, image_id: str, stores: Sequence[str], size: int | None, context: object
) -> Observation | None:
    """A transfer that begins; None where nobody wants to know."""
    return Observation(observers, Transfer(kind, image_id, stores, size, context=context)) if observers else None


@contextlib.contextmanager
def committing(observation: Observation | None, size: int) -> Iterator[None]:
    """Around the commit in all stores, which is a step."""
    began, failure = time.monotonic(), None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        if observation is not None:
            observation.stepped(Step(COMMIT, None, began, time.monotonic(), size, failure is None, _ours(failure)))


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
        except BaseException as error:  # noqa: BLE001 - of any class: an observer harms nothing
            _raised(error)


def _ours(error: BaseException | None) -> errors.ImgstoreError | None:
    """An error of the library; anything else is its owner's business."""
    return error if isinstance(error, errors.ImgstoreError) else None


def _raised(error: BaseException) -> None:
    if not is_failure(error):
        raise error
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
