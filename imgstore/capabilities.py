"""What only some drivers can do: one small protocol each, never a method that raises.

A driver has a capability by having its methods; whoever wants to use it asks with `isinstance`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from imgstore.model import Leftover, ObjectInfo, Space


@runtime_checkable
class ListsObjects(Protocol):
    """The store can say what it holds."""

    def objects(self) -> Iterator[ObjectInfo]:
        """Every committed object, in no order. Objects that come or go meanwhile may or may not be seen."""


@runtime_checkable
class FindsLeftovers(Protocol):
    """The store can find what uploads left that died (law 3)."""

    def leftovers(self, *, older_than: float = 0.0) -> Iterator[Leftover]:
        """What no living upload owns and nobody touched for `older_than` seconds."""

    def remove_leftover(self, leftover: Leftover) -> None:
        """Removes one; a no-op if it is gone, or was taken up by somebody, meanwhile."""


@runtime_checkable
class MeasuresSpace(Protocol):
    """The store can say how much room it has."""

    def space(self) -> Space:
        """Total and free bytes, the capacity and the reserve taken into account."""
