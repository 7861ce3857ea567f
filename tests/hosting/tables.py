"""A host's table in memory, for `TableCatalog`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from imgstore.hosting import ImageRow, TableCatalog, TablePlaces, Values
from imgstore.model import Attempt, Location, UploadRequest, UploadResult
from imgstore.testing import CopyCatalogSubject, KeptCatalogSubject, PlaceMemorySubject, end_lease
from tests.support.client import new_id


@dataclass(frozen=True)
class Row:
    """See ImageRow."""

    id: str
    owner: str
    disk_format: str = "raw"
    container_format: str = "bare"
    status: str = "queued"
    size: int | None = None
    version: int = 0
    unfinished: bool = False
    record: str = ""


class DictTable:
    """See ImageTable."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._lock = threading.Lock()

    def get(self, image_id: str) -> ImageRow | None:
        return self.rows.get(image_id)

    def unfinished(self) -> Iterable[ImageRow]:
        return [row for row in list(self.rows.values()) if row.unfinished]

    def swap(self, row: ImageRow, values: Values) -> bool:
        with self._lock:
            present = self.rows[row.id]
            if present.version == row.version:
                self.rows[row.id] = replace(present, **values)
            return present.version == row.version

    def add(self, image: Row) -> None:
        """A new row."""
        self.rows[image.id] = image


class DictPlaces:
    """See PlaceTable; the rows of images are those of a `DictTable`."""

    def __init__(self) -> None:
        self.images = DictTable()
        self.records: dict[str, str] = {}
        self._lock = threading.Lock()

    def place(self, store: str) -> str | None:
        return self.records.get(store)

    def swap_place(self, store: str, record: str, instead_of: str | None) -> bool:
        with self._lock:
            if self.records.get(store) != instead_of:
                return False
            self.records[store] = record
            return True

    def active(self) -> Iterator[ImageRow]:
        return (row for row in self.images.rows.values() if row.status == "active")


class PlacesSubject(PlaceMemorySubject):
    """A memory on such a table."""

    def __init__(self, memory: type[TablePlaces] = TablePlaces) -> None:
        self.table = DictPlaces()
        self._memory = memory

    def open(self) -> TablePlaces:
        return self._memory(self.table)

    def add_image(self, store: str) -> str:
        catalog = TableCatalog(self.table.images)
        self.table.images.add(Row(image_id := new_id(), "ann"))
        attempt = catalog.begin(UploadRequest(image_id, context="ann"), [store])
        catalog.activate(attempt, UploadResult(image_id, [Location(store, attempt.key, "")], 5, "sha512", "5d"))
        return attempt.key


class TableSubject(CopyCatalogSubject, KeptCatalogSubject):
    """A catalog on such a table."""

    caller, stranger = "ann", "bob"

    def __init__(self, catalog: type[TableCatalog] = TableCatalog) -> None:
        self.table = DictTable()
        self._catalog = catalog

    def open(self) -> TableCatalog:
        return self._catalog(self.table)

    def create(self, *, formats: bool = True) -> str:
        image_id = new_id()
        self.add(Row(image_id, "ann", disk_format="raw" if formats else ""))
        return image_id

    def add(self, image: Row) -> None:
        assert isinstance(self.table, DictTable)
        self.table.add(image)

    def delete(self, image_id: str) -> None:
        self.open().delete(image_id, "ann")

    def expire(self, attempt: Attempt) -> None:
        end_lease(self.table, attempt)
