"""What a host supplies so that its catalog or its quota is tested: fresh ones, and what only the host can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Protocol

from imgstore.catalog import CopyCatalog, ImageCatalog, ImageSource
from imgstore.hosting import ImageTable, KeptCatalog, KeptQuota, ObjectId, PlaceMemory
from imgstore.hosting.rows import state_of, values_of
from imgstore.model import Attempt
from imgstore.quota import Quota


class UploadCatalog(ImageCatalog, ImageSource, Protocol):
    """A catalog that uploads and downloads use."""


class CopyingCatalog(UploadCatalog, CopyCatalog, Protocol):
    """A catalog that copies use, too."""


class RecoveredCatalog(UploadCatalog, KeptCatalog, Protocol):
    """A catalog whose dead uploads are recovered."""


class CatalogSubject(ABC):
    """A table of images, empty at the start of each test.

    `caller` is the context with which the tests ask: its owner sees and uploads the images that `create` makes.
    `stranger` is the context of somebody who may not see them; only `HidesImages` uses it.
    """

    caller: object = None
    stranger: object = None

    @abstractmethod
    def open(self) -> UploadCatalog:
        """A catalog on the table, as another process has it. What keeps its table in memory gives the same object."""

    @abstractmethod
    def create(self, *, formats: bool = True) -> str:
        """The identifier of a new image of `caller`, queued; without disk and container format if `formats` is False,
        which only `RefusesUnsetFormats` asks for."""

    @abstractmethod
    def delete(self, image_id: str) -> None:
        """Deletes the image as the host does it for a user, whatever its status."""


class CopyCatalogSubject(CatalogSubject):
    """A table of images that are copied to other stores."""

    @abstractmethod
    def open(self) -> CopyingCatalog: ...


class KeptCatalogSubject(CatalogSubject):
    """A table of images whose dead uploads are recovered."""

    @abstractmethod
    def open(self) -> RecoveredCatalog: ...

    @abstractmethod
    def expire(self, attempt: Attempt) -> None:
        """The lease of this attempt, which is under way, ran out a second ago: changes the time in its row. On the
        table of a `TableCatalog` it is `end_lease(table, attempt)`."""


def end_lease(table: ImageTable, attempt: Attempt) -> None:
    """The lease of an attempt on a `TableCatalog` with this table ran out: for `KeptCatalogSubject.expire`."""
    row = table.get(attempt.image_id)
    assert row is not None, f"There is no image {attempt.image_id}."
    over = values_of(replace(state_of(row), lease_until=1.0), version=row.version + 1)
    assert table.swap(row, over), f"Image {attempt.image_id} was changed meanwhile."


class PlaceMemorySubject(ABC):
    """What a host remembers of its stores' places: nothing at the start of each test."""

    @abstractmethod
    def open(self) -> PlaceMemory:
        """The memory as another process has it. What is kept in memory gives the same object."""

    @abstractmethod
    def add_image(self, store: str) -> str:
        """The key of the data of a new active image in this store."""


class QuotaSubject(ABC):
    """A quota in which every owner may use `limit` bytes; nothing is used at the start of each test."""

    limit: int = 1000

    @abstractmethod
    def open(self) -> Quota:
        """The quota as another process has it. What counts in memory gives the same object."""


class RecoveredQuota(Quota, KeptQuota, Protocol):
    """A quota whose holds outlive their process."""


class KeptQuotaSubject(QuotaSubject):
    """A quota whose holds outlive their process."""

    @abstractmethod
    def open(self) -> RecoveredQuota: ...

    @abstractmethod
    def expire(self, held: ObjectId) -> None:
        """The process of this hold gives no sign of life any more: changes the time in the hold's row."""
