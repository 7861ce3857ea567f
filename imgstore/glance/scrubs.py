"""How far a scrub of Glance's images has come: a file for each store, beside the notes of the stores' places.

Glance's database is not ours to write. The file is lost with the machine, and then the next pass begins anew; so it
belongs where the place's mark is noted, which has the same life. Scrub a store from one machine.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence

from imgstore.glance.catalog import Urls, data_at
from imgstore.glance.places import PlaceFiles
from imgstore.model import CatalogLocation, ScrubCursor
from imgstore.sql import GlanceTables

PAGE = 1000


class ScrubFiles:
    """A ScrubProgress. `files`: where each store's is."""

    def __init__(self, tables: GlanceTables, urls: Urls, files: Mapping[str, PlaceFiles]) -> None:
        self._tables = tables
        self._urls = urls
        self._files = files

    def cursor(self, store: str) -> ScrubCursor:
        """See ScrubProgress. What is no note of a scrub is the beginning."""
        try:
            with open(self._path(store), encoding="ascii", errors="replace") as file:
                numbers = [int(word) for word in file.read(200).split()]
        except (FileNotFoundError, ValueError):
            return ScrubCursor(store)
        except OSError as error:
            raise self._files[store].unusable(store, error) from error
        return ScrubCursor(store, *numbers) if len(numbers) == 3 else ScrubCursor(store)

    def save(self, cursor: ScrubCursor) -> None:
        """See ScrubProgress. Raises ConfigurationError where the directory cannot be written."""
        files = self._files[cursor.store]
        files.prepare(cursor.store)
        draft = f"{self._path(cursor.store)}.{secrets.token_hex(8)}"
        try:
            with open(draft, "x", encoding="ascii") as file:
                file.write(f"{cursor.after} {cursor.began} {cursor.complete}\n")
            os.replace(draft, self._path(cursor.store))
        except OSError as error:
            raise files.unusable(cursor.store, error) from error

    def following(self, cursor: ScrubCursor, limit: int) -> Sequence[tuple[int, CatalogLocation]]:
        """See ScrubProgress."""
        after, found = cursor.after, list[tuple[int, CatalogLocation]]()
        while len(found) < limit and (page := self._tables.following(after, PAGE)):
            own = [(each, self._urls.own_key(cursor.store, each)) for each in page if not each.pending]
            found += [(each.id, data_at(each, key)) for each, key in own if key is not None]
            after = page[-1].id
        return found

    def _path(self, store: str) -> str:
        return self._files[store].path_of(store, "scrub")
