"""What a host remembers of its stores' places, from three methods on its own tables (law "known by its place").

A host has a small table beside that of images: the identifier of a store, which is its key, and one column of text.

    class Places:
        def place(self, store): ...                             # SELECT record ... WHERE store = ?
        def swap_place(self, store, record, instead_of): ...    # UPDATE ... WHERE store = ? AND record = ?, or INSERT
        def active(self): ...                                   # SELECT ... FROM images WHERE status = 'active'

`TablePlaces(Places())` is what `Keeper` takes as `places`, and as `restored`: it also knows the epochs of the stores,
so a database that was restored from a backup removes nothing until somebody has looked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from typing import Protocol

from imgstore import errors
from imgstore.host_answers import answer_of, require, truth, wrong_answer
from imgstore.hosting.rows import ImageRow, state_of
from imgstore.model import KnownPlace

SOME = 5
"""Objects that tell a place that has no mark."""
RESTORED = "*"
"""The row that says why nothing may be removed; no store is called so."""
TRIES = 100


class PlaceTable(Protocol):
    """The host's table of its stores. Each method is a transaction of its own, and sees what others have committed."""

    def place(self, store: str) -> str | None:
        """The record of a store, text of any length (JSON); None if there is none."""

    def swap_place(self, store: str, record: str, instead_of: str | None) -> bool:
        """Sets the record of a store if it is still `instead_of` (None: if there is none yet); committed when this
        returns. False if it is another: also where another process inserted one at the same moment."""

    def active(self) -> Iterable[ImageRow]:
        """The rows of the images whose status is active, in any order. A generator is read as far as it is needed: only
        for a store that nothing is remembered of."""


@dataclass(frozen=True, slots=True)
class _Note:
    """What a record says: of a store, or in the row RESTORED."""

    mark: str | None = None
    written: bool = False
    epoch: int = 0
    reason: str | None = None

    @property
    def known(self) -> KnownPlace | None:
        return None if self.mark is None else KnownPlace(self.mark, self.written)


class TablePlaces:
    """Implements PlaceMemory and RestoreMemory on `table`. Raises UsageError for a table that lacks a method."""

    def __init__(self, table: PlaceTable) -> None:
        require(table, PlaceTable)
        self._table = table

    def known_place(self, store: str) -> KnownPlace | None:
        """See PlaceMemory."""
        return self._note(store).known

    def remember_place(self, store: str, place: KnownPlace, *, instead_of: KnownPlace | None) -> KnownPlace:
        """See PlaceMemory."""

        def change(note: _Note) -> _Note:
            return replace(note, mark=place.mark, written=place.written) if note.known == instead_of else note

        return self._changed(store, change).known or place

    def some_keys(self, store: str) -> Sequence[str]:
        """See PlaceMemory."""
        return list(islice(self._keys(store), SOME))

    def reason(self) -> str | None:
        """See RestoreMemory."""
        return self._note(RESTORED).reason

    def declare(self, reason: str) -> None:
        """See RestoreMemory."""
        self._changed(RESTORED, lambda note: replace(note, reason=note.reason or reason))

    def epoch(self, store: str) -> int:
        """See RestoreMemory."""
        return self._note(store).epoch

    def next_epoch(self, store: str) -> int:
        """See RestoreMemory."""
        return self._changed(store, lambda note: replace(note, epoch=note.epoch + 1)).epoch

    def resume(self, epochs: Mapping[str, int]) -> bool:
        """Somebody has looked: removing goes on. `epochs` are those in the places, by store. False if nothing was
        declared."""
        for store, epoch in epochs.items():
            self._changed(store, partial(_reached, epoch=epoch))
        declared = self.reason() is not None
        self._changed(RESTORED, lambda note: replace(note, reason=None))
        return declared

    def _keys(self, store: str) -> Iterator[str]:
        for row in answer_of(self._table.active):
            yield from (location.key for location in state_of(row).locations if location.store == store)

    def _changed(self, store: str, change: Callable[[_Note], _Note]) -> _Note:
        """Changes the record, and returns what it says then: by compare-and-set, on what is there."""
        for _ in range(TRIES):
            record = self._record(store)
            before = _note_of(record, store)
            after = change(before)
            if after == before or truth(self._table.swap_place, store, json.dumps(asdict(after)), record):
                return after
        raise errors.CatalogUnavailable(f"The record of store {store} is being changed too often: try again.")

    def _note(self, store: str) -> _Note:
        return _note_of(self._record(store), store)

    def _record(self, store: str) -> str | None:
        record: object = answer_of(self._table.place, store)
        if record is not None and not isinstance(record, str):
            raise wrong_answer(self._table.place, record, "must return the text of the record, or None")
        return record


def _reached(note: _Note, *, epoch: int) -> _Note:
    return replace(note, epoch=max(note.epoch, epoch))


def _note_of(record: str | None, store: str) -> _Note:
    try:
        return _Note(**json.loads(record or "{}"))
    except (ValueError, TypeError) as error:
        raise errors.UsageError(
            f"The record of store {store} is not what was written ({type(error).__name__})."
        ) from error
