"""Goes through all that a store lists, in memory that does not grow with it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

from imgstore.store import Store

AT_ONCE = 2000
"""Objects that are looked at together, and about which a catalog is asked together."""

T = TypeVar("T")


def portions(found: Iterable[T], size: int) -> Iterator[list[T]]:
    """`found`, `size` at a time."""
    rest = iter(found)
    while portion := list(itertools.islice(rest, size)):
        yield portion


def listed(store: Store, found: Iterable[T]) -> Iterator[list[T]]:
    """What the store's driver lists, some at a time. Failures of the listing, and no others, are the store's."""
    rest = portions(found, AT_ONCE)
    while True:
        with store.blamed():
            portion = next(rest, None)
        if portion is None:
            return
        yield portion
