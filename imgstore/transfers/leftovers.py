"""Leftovers in a store, and how they are removed; the data under a key.

For hosts that recover what their dead processes left, and for the command line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from imgstore import errors
from imgstore.driver.capabilities import ClearsLeftovers, FindsLeftovers, HidesVersions
from imgstore.model import Leftover
from imgstore.store import Store


@dataclass(frozen=True)
class RemovableLeftover:
    """A leftover and the means to remove it; `reason` is for people. `remove` raises StoreError, and what a host's own
    does, and does nothing where it is not `certain` that it is the store's (`Leftover`). `size` in bytes, `modified` in
    seconds since the epoch; None if unknown."""

    store: str
    name: str
    reason: str
    remove: Callable[[], object] = field(repr=False)
    size: int | None = None
    modified: float | None = None
    certain: bool = True


def leftovers(store: Store, *, older_than: float) -> Iterator[RemovableLeftover]:
    """The leftovers that the store's driver finds, at least `older_than` seconds old. Raises StoreError."""
    if isinstance(store.driver, FindsLeftovers):
        with store.blamed():
            found = list(store.driver.leftovers(older_than=older_than))
        yield from (removable(store, leftover) for leftover in found)


def hidden_versions(store: Store, *, older_than: float) -> Iterator[RemovableLeftover]:
    """The hidden versions that the store's storage keeps. Raises StoreError."""
    if isinstance(store.driver, HidesVersions):
        with store.blamed():
            found = list(store.driver.hidden_versions(older_than=older_than))
        yield from (removable(store, leftover) for leftover in found)


def removable(store: Store, leftover: Leftover) -> RemovableLeftover:
    """The leftover, with the means to remove it."""
    remove = partial(_remove, store, leftover)
    size, modified, certain = leftover.size, leftover.modified, leftover.certain
    return RemovableLeftover(store.identifier, leftover.name, leftover.reason, remove, size, modified, certain)


def remove_data(store: Store, key: str, *, leftovers: bool) -> None:
    """Removes an object, if it is there. `leftovers`: the leftovers under its key, too; they go first, so that none of
    them can become the object afterwards. Raises StoreError (StoreBusy among them)."""
    with store.slot(), store.blamed():
        if leftovers and isinstance(store.driver, ClearsLeftovers):
            store.driver.clear_leftovers(key)
        with contextlib.suppress(errors.ObjectNotFound):
            store.driver.delete(key)


def _remove(store: Store, leftover: Leftover) -> None:
    if leftover.certain and isinstance(store.driver, FindsLeftovers):
        with store.blamed():
            store.driver.remove_leftover(leftover)
