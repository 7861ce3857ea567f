"""The subjects of the library's own catalogs and quotas."""

from __future__ import annotations

import contextlib
import itertools
from typing import ClassVar

import sqlalchemy as sa

from imgstore.catalog import MemoryCatalog
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import Attempt, Location, ObjectId, UploadRequest, UploadResult
from imgstore.quota import MemoryQuota
from imgstore.sql import Caller, Database, NewImage, SqlCatalog, SqlLedger
from imgstore.sql.clock import Now
from imgstore.sql.ledger.schema import ENTRIES
from imgstore.sql.places import SqlPlaces
from imgstore.sql.schema import IMAGES
from imgstore.testing import CopyCatalogSubject, KeptCatalogSubject, KeptQuotaSubject, PlaceMemorySubject, QuotaSubject
from tests.support.client import new_id

_numbers = itertools.count(1)


def next_number() -> int:
    """A number that nothing else has."""
    return next(_numbers)


class MemorySubject(CopyCatalogSubject):
    """A table in memory."""

    CATALOG: ClassVar[type[MemoryCatalog]] = MemoryCatalog
    caller, stranger = "project", "other"

    def __init__(self, catalog: type[MemoryCatalog] = MemoryCatalog) -> None:
        self.catalog = catalog()

    def open(self) -> MemoryCatalog:
        return self.catalog

    def create(self, *, formats: bool = True) -> str:
        image_id = f"image-{next_number()}"
        self.catalog.create(image_id, owner="project", disk_format="raw" if formats else None)
        return image_id

    def delete(self, image_id: str) -> None:
        self.catalog.delete(image_id)


class SqlSubject(CopyCatalogSubject, KeptCatalogSubject):
    """A table in a database."""

    caller, stranger = Caller("project"), Caller("other")

    def __init__(self, url: str, stack: contextlib.ExitStack) -> None:
        self._url, self._stack = url, stack
        self._catalog = self.open()

    def open(self) -> SqlCatalog:
        return self._stack.enter_context(contextlib.closing(SqlCatalog(self._url, busy_timeout=60)))

    def create(self, *, formats: bool = True) -> str:
        new = NewImage(new_id(), "project", disk_format="raw" if formats else None, container_format="bare")
        return self._catalog.create(new).id

    def delete(self, image_id: str) -> None:
        self._catalog.delete(image_id, self.caller)

    def expire(self, attempt: Attempt) -> None:
        ran_out = sa.update(IMAGES).where(IMAGES.c.id == attempt.image_id).values(lease_until=Now() - 1000)
        with contextlib.closing(Database(self._url)) as database:
            database.change(lambda connection: connection.execute(ran_out))


class SqlPlacesSubject(PlaceMemorySubject):
    """What the catalog in a database remembers."""

    def __init__(self, url: str, stack: contextlib.ExitStack) -> None:
        self._images = SqlSubject(url, stack)

    def open(self) -> SqlPlaces:
        return self._images.open().places

    def add_image(self, store: str) -> str:
        catalog, image_id = self._images.open(), self._images.create()
        attempt = catalog.begin(UploadRequest(image_id, context=self._images.caller), [store])
        catalog.activate(attempt, UploadResult(image_id, [Location(store, attempt.key, "")], 5, "sha512", "5d"))
        return attempt.key


class MemoryQuotaSubject(QuotaSubject):
    """Accounts in memory."""

    def __init__(self, quota: type[MemoryQuota] = MemoryQuota) -> None:
        self.quota = quota(lambda owner: self.limit)

    def open(self) -> MemoryQuota:
        return self.quota


class LedgerSubject(KeptQuotaSubject):
    """A ledger in a database; each has a process's own spare bytes, which it gives to the others at the next tick."""

    def __init__(self, url: str, stack: contextlib.ExitStack) -> None:
        self._url, self._stack = url, stack

    def open(self) -> SqlLedger:
        ledger = SqlLedger(self._url, FixedLimits(Allowance(size=self.limit)), tick=0.05, patience=30)
        return self._stack.enter_context(contextlib.closing(ledger))

    def expire(self, held: ObjectId) -> None:
        ran_out = (
            sa.update(ENTRIES).where(ENTRIES.c.store == held.store, ENTRIES.c.key == held.key).values(expires_at=1)
        )
        with contextlib.closing(Database(self._url)) as database:
            database.change(lambda connection: connection.execute(ran_out))
