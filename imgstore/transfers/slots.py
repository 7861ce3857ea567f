"""Slots in several stores at once, for what needs them together: an upload to several stores, a copy.

Nobody waits for a slot while holding another: then a store that hangs would use up the slots of those that work, and
two copies in opposite directions would wait for each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imgstore import errors
from imgstore.bulkhead import Slot, wait_ends
from imgstore.store import Store


@dataclass(frozen=True, slots=True)
class Taken:
    """A slot, and the store whose it is."""

    store: Store
    slot: Slot


def patience(stores: Iterable[Store]) -> float:
    """Until when (time.monotonic) whoever needs slots in these stores may wait in all."""
    return wait_ends(max((store.bulkhead.max_wait for store in stores), default=0.0))


def take_all(choices: Sequence[Sequence[Store]], *, until: float) -> list[Taken]:
    """A slot in one store of each choice: in the first that has one free, else in the one that comes first. Raises
    StoreBusy, which names the store that was waited for in vain; then none is taken."""
    left = [list(choice) for choice in choices]
    awaited: int | None = None
    while True:
        taken = {} if awaited is None else _awaited(awaited, left[awaited], until)
        busy = _take_free(left, taken)
        if busy is None:
            return [taken[number] for number in range(len(left))]
        for each in taken.values():
            each.slot.free()
        awaited = busy


def _awaited(number: int, choice: list[Store], until: float) -> dict[int, Taken]:
    """A slot in the first store of a choice. One that stays busy is no choice any more."""
    store = choice[0]
    try:
        return {number: Taken(store, store.slot(wait=until - time.monotonic()))}
    except errors.StoreBusy:
        del choice[0]
        if not choice:
            raise
        return {}


def _take_free(choices: Sequence[Sequence[Store]], taken: dict[int, Taken]) -> int | None:
    """Adds what is free to `taken`; returns the number of a choice whose stores are all busy."""
    for number, choice in enumerate(choices):
        if number not in taken:
            free = next(_free(choice), None)
            if free is None:
                return number
            taken[number] = free
    return None


def _free(choice: Sequence[Store]) -> Iterator[Taken]:
    for store in choice:
        try:
            yield Taken(store, store.slot(wait=0))
        except errors.StoreBusy:
            continue
