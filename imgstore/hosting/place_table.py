"""What a host remembers of its stores' places, from three methods on its own tables (law "known by its place").

A host has a small table beside that of images: the identifier of a store, which is its key, and one column of text.

    class Places:
        def place(self, store): ...                             # SELECT record ... WHERE store = ?
        def swap_place(self, store, record, instead_of): ...    # UPDATE ... WHERE store = ? AND record = ?, or INSERT
        def active(self): ...                                   # SELECT ... FROM images WHERE status = 'active'

`TablePlaces(Places())` is what `Keeper` takes as `places`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from imgstore.host_answers import answer_of, require, truth, wrong_answer
from imgstore.hosting.rows import ImageRow, state_of
from imgstore.model import KnownPlace

SOME = 5
"""Objects that tell a place that has no mark."""


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


class TablePlaces:
    """Implements PlaceMemory on `table`. Raises UsageError for a table that lacks a method."""

    def __init__(self, table: PlaceTable) -> None:
        require(table, PlaceTable)
        self._table = table

    def known_place(self, store: str) -> KnownPlace | None:
        """See PlaceMemory."""
        return _place_of(self._record(store))

    def remember_place(self, store: str, place: KnownPlace, *, instead_of: KnownPlace | None) -> KnownPlace:
        """See PlaceMemory."""
        record = self._record(store)
        if _place_of(record) == instead_of and truth(self._table.swap_place, store, _record_of(place), record):
            return place
        return self.known_place(store) or place

    def some_keys(self, store: str) -> Sequence[str]:
        """See PlaceMemory."""
        return list(islice(self._keys(store), SOME))

    def _keys(self, store: str) -> Iterator[str]:
        for row in answer_of(self._table.active):
            yield from (location.key for location in state_of(row).locations if location.store == store)

    def _record(self, store: str) -> str | None:
        record: object = answer_of(self._table.place, store)
        if record is not None and not isinstance(record, str):
            raise wrong_answer(self._table.place, record, "must return the text of the record, or None")
        return record


def _place_of(record: str | None) -> KnownPlace | None:
    if not record:
        return None
    said = json.loads(record)
    return KnownPlace(said["mark"], said["written"])


def _record_of(place: KnownPlace) -> str:
    return json.dumps({"mark": place.mark, "written": place.written})
