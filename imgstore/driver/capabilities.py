"""What only some drivers can do: one small protocol each, never a method that raises.

A driver has a capability by having its methods; whoever wants to use it asks with `isinstance`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from imgstore.model import Leftover, ObjectInfo, Space


@runtime_checkable
class ListsObjects(Protocol):
    """The store can say what it holds."""

    def objects(self) -> Iterator[ObjectInfo]:
        """Every committed object, in no order. Objects that come or go meanwhile may or may not be seen."""


@runtime_checkable
class FindsLeftovers(Protocol):
    """The store can find what uploads left that died."""

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """What no living upload owns and nobody touched for `older_than` seconds."""

    def remove_leftover(self, leftover: Leftover) -> None:
        """Removes one; a no-op if it is gone, or was taken up by somebody, meanwhile."""


@runtime_checkable
class RemovesTraces(Protocol):
    """The store can remove what uploads under one key left, for somebody who knows that none of them is wanted."""

    def remove_traces(self, key: str) -> None:
        """Removes whatever any upload under `key` left, or has there now, that is not a committed object: temporary
        files, unfinished multipart uploads, segments that no object is made of. Age and locks do not matter: the
        caller vouches that nobody will use the key again. A no-op where nothing is; it may be repeated.

        Leaves alone the object under `key` with all that it is made of, and everything of other keys, those that
        begin with `key` among them. An upload under `key` that is still writing ends without an object, or with a
        whole one; what it writes afterwards is found by `FindsLeftovers`. Raises InvalidKey, StoreUnavailable.
        """


@runtime_checkable
class MeasuresSpace(Protocol):
    """The store can say how much room it has."""

    def space(self) -> Space:
        """Total and free bytes, the capacity and the reserve taken into account."""


@runtime_checkable
class MakesTemporaryUrls(Protocol):
    """The store can give away a URL that needs no credential of its own."""

    def temporary_url(self, key: str, *, seconds: int) -> str:
        """A URL with which anybody may read the object for so many seconds. It is a credential: do not log it."""


@runtime_checkable
class CopiesObjects(Protocol):
    """The store can copy an object without its bytes coming here."""

    def copy(self, source: str, target: str) -> ObjectInfo:
        """Copies the object `source` to the key `target`, which no object has. All or nothing, as a writer's commit.

        Raises InvalidKey, ObjectNotFound, ObjectExists, StoreFull, StoreUnavailable.
        """


@runtime_checkable
class HasCapacity(Protocol):
    """The store is to take so much and no more. Each process counts by itself; whoever keeps a quota that all processes
    share counts for all of them."""

    @property
    def capacity(self) -> int | None:
        """Bytes of all objects together; None for no limit."""


@runtime_checkable
class SharesObjects(Protocol):
    """The store keeps who may read an object by itself, because readers come to it with tokens of their own."""

    def share(self, key: str, *, public: bool = False, readers: Sequence[str] = ()) -> None:
        """From now on the object's owner may read it, and these projects, or everybody. Raises ObjectNotFound."""
