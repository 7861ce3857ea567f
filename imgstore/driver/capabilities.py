"""What only some drivers can do: one small protocol each, never a method that raises.

A driver has a capability by having its methods; whoever wants to use it asks with `isinstance`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from imgstore.model import Leftover, ObjectInfo, Place, Space


@runtime_checkable
class ListsObjects(Protocol):
    """The store can say what it holds."""

    def objects(self) -> Iterator[ObjectInfo]:
        """Every committed object, in no order. Objects that come or go meanwhile may or may not be seen.
        Thread: any. Raises: StoreUnavailable. Tried again by: whoever asked."""


@runtime_checkable
class FindsLeftovers(Protocol):
    """The store can find its leftovers."""

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """Leftovers that no upload under way owns and that are at least `older_than` seconds old.
        Thread: any: recovery's, or that of `imgstore purge`. Raises: StoreUnavailable. Tried again by:
        recovery, at its next look."""

    def remove_leftover(self, leftover: Leftover) -> None:
        """Removes one leftover. Does nothing if it is gone by now, or if an upload uses it again.
        Thread: as `leftovers`. Raises: StoreUnavailable. Tried again by: the next look, which finds it again."""


@runtime_checkable
class HidesVersions(FindsLeftovers, Protocol):
    """The storage may keep versions of what was replaced or deleted."""

    def hidden_versions(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """Versions of the store's objects that nobody reads, at least `older_than` seconds old, for `remove_leftover`.
        A deleted object's versions come before the mark that hides them.
        Thread: any. Raises: StoreUnavailable. Tried again by: whoever asked."""


@runtime_checkable
class ClearsLeftovers(Protocol):
    """The store can remove the leftovers under one key. The caller knows that no upload uses the key."""

    def clear_leftovers(self, key: str) -> None:
        """Removes everything under `key` except the committed object with all that it is made of: temporary files,
        unfinished multipart uploads, segments that belong to no object. Ignores age and locks: the caller guarantees
        that no later upload uses the key. Does nothing where nothing is; it may be repeated.

        Leaves other keys alone, those that begin with `key` among them. An upload under `key` that is still writing
        ends without an object, or with a whole one; `FindsLeftovers` finds what it writes afterwards.
        Thread: recovery's. Raises: InvalidKey, StoreUnavailable. Tried again by: recovery, until it succeeds."""


@runtime_checkable
class HasPlace(Protocol):
    """The store can say where its objects are, and keep a mark there by which the place is known again (law "known by
    its place"). Nothing but `write_mark` ever creates the place."""

    @property
    def place(self) -> Place:
        """Where the objects are. No request is sent.
        Thread: any; no input or output. Raises: nothing. Tried again by: nobody."""

    def read_mark(self) -> str | None:
        """The mark that is there; None for none, also if the place itself is missing.
        Thread: any, at the start and now and then. Raises: StoreUnavailable. Tried again by: the next use of
        the store."""

    def write_mark(self, mark: str, *, replace: bool = False) -> str:
        """Creates the place where it is missing, and leaves `mark` there unless it has one. `replace`: creates nothing,
        and puts `mark` in the place of any other. Returns the mark that is there now.
        Thread: any, at the start. Raises: ConfigurationError, any StoreError. Tried again by: whoever asked."""


@runtime_checkable
class KeepsEpoch(Protocol):
    """The place keeps a number besides its mark, by which a database that was restored from a backup is told."""

    def read_epoch(self) -> int:
        """The number that is noted there; 0 for none.
        Thread: recovery's. Raises: StoreUnavailable. Tried again by: recovery, at its next look."""

    def write_epoch(self, epoch: int) -> None:
        """Notes it, all or nothing.
        Thread: recovery's. Raises: any StoreError. Tried again by: recovery, at its next look."""


@runtime_checkable
class TellsFacts(Protocol):
    """Its check finds out what servers of its kind do differently."""

    def facts(self) -> Mapping[str, str]:
        """What `check` found out about the server, by name, in words; empty before.
        Thread: any; no input or output. Raises: nothing. Tried again by: nobody."""


@runtime_checkable
class HasBorders(Protocol):
    """It works differently from some size on, such as that of a part. Who tries the store writes objects of more."""

    @property
    def borders(self) -> Sequence[int]:
        """Those sizes in bytes, one or more.
        Thread: any; no input or output. Raises: nothing. Tried again by: nobody."""


@runtime_checkable
class MeasuresSpace(Protocol):
    """The store can say how much room it has."""

    def space(self) -> Space:
        """Total and free bytes, the capacity and the reserve taken into account.
        Thread: any: the health check's, beside uploads. Raises: StoreUnavailable. Tried again by: the next
        health check."""


@runtime_checkable
class MakesTemporaryUrls(Protocol):
    """The store can give away a URL that needs no credential of its own."""

    def temporary_url(self, key: str, *, seconds: int) -> str:
        """A URL with which anybody may read the object for so many seconds. It is a credential: do not log it.
        Thread: the request's. Raises: InvalidKey, UsageError, ConfigurationError, StoreUnavailable. Tried again
        by: nobody."""


@runtime_checkable
class CopiesObjects(Protocol):
    """The store can copy an object without its bytes coming here."""

    def copy(self, source: str, target: str) -> ObjectInfo:
        """Copies the object `source` to the key `target`, which no object has. All or nothing, as a writer's commit; if
        nothing can be removed after a failure, the error's `left_behind` says so.
        Thread: the caller's. Raises: InvalidKey, ObjectNotFound, ObjectExists, StoreFull, StoreUnavailable.
        Tried again by: the driver."""


@runtime_checkable
class HasCapacity(Protocol):
    """The store has a limit. Each process counts for itself; a quota that all processes share takes the limit over and
    counts for all of them."""

    @property
    def capacity(self) -> int | None:
        """Bytes of all objects together; None for no limit.
        Thread: any; no input or output. Raises: nothing. Tried again by: nobody."""


@runtime_checkable
class SharesObjects(Protocol):
    """The store keeps who may read an object by itself, because readers come to it with tokens of their own."""

    def share(self, key: str, *, public: bool = False, readers: Sequence[str] = ()) -> None:
        """From now on the object's owner may read it, and these projects, or everybody.
        Thread: the request's. Raises: ObjectNotFound, StoreUnavailable. Tried again by: whoever asked."""
