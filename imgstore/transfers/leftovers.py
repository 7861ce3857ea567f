"""What is of no use any more in a store, and how it goes: leftovers of uploads, and the data under a key.

For hosts that recover what their dead processes left, and for the command line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from imgstore import errors
from imgstore.driver.capabilities import FindsLeftovers, RemovesTraces
from imgstore.model import Leftover
from imgstore.store import Store


@dataclass(frozen=True)
class Remnant:
    """Something of no use in a store; `reason` is for people. `remove` raises StoreError, and what a host's own does.
    `size` in bytes, `modified` in seconds since the epoch; None where nobody knows."""

    store: str
    name: str
    reason: str
    remove: Callable[[], object] = field(repr=False)
    size: int | None = None
    modified: float | None = None


def leftovers(store: Store, *, older_than: float) -> Iterator[Remnant]:
    """What the store's driver takes for left by uploads that died; `older_than` in seconds. Raises StoreError."""
    if isinstance(store.driver, FindsLeftovers):
        with store.blamed():
            found = list(store.driver.leftovers(older_than=older_than))
        yield from (as_remnant(store, leftover) for leftover in found)


def as_remnant(store: Store, leftover: Leftover) -> Remnant:
    """The leftover, with the means to remove it."""
    return Remnant(
        store.identifier, leftover.name, leftover.reason, partial(_remove, store, leftover), leftover.size,
        leftover.modified,
    )  # fmt: skip


def remove_data(store: Store, key: str, *, traces: bool) -> None:
    """Removes an object, if it is there. `traces`: whatever uploads under its key left, too; it goes first, so that
    none of them can become the object afterwards. Raises StoreError."""
    with store.blamed():
        if traces and isinstance(store.driver, RemovesTraces):
            store.driver.remove_traces(key)
        with contextlib.suppress(errors.ObjectNotFound):
            store.driver.delete(key)


def _remove(store: Store, leftover: Leftover) -> None:
    if isinstance(store.driver, FindsLeftovers):
        with store.blamed():
            store.driver.remove_leftover(leftover)
