"""The subjects of the library's own catalogs and quotas, and of the example's."""

from __future__ import annotations

import contextlib
import itertools
from typing import ClassVar

from toy_catalog import Image, ToyCatalog

from imgstore.catalog import MemoryCatalog
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import StoredImage
from imgstore.quota import MemoryQuota
from imgstore.sql import Caller, NewImage, SqlCatalog, SqlLedger
from imgstore.testing import CatalogSubject, CopyCatalogSubject, QuotaSubject
from tests.support.client import new_id

_numbers = itertools.count(1)


class MemorySubject(CopyCatalogSubject):
    """A table in memory."""

    CATALOG: ClassVar[type[MemoryCatalog]] = MemoryCatalog
    caller, stranger = "project", "other"

    def __init__(self, catalog: type[MemoryCatalog] = MemoryCatalog) -> None:
        self.catalog = catalog()

    def open(self) -> MemoryCatalog:
        return self.catalog

    def create(self, *, formats: bool = True) -> str:
        image_id = f"image-{next(_numbers)}"
        self.catalog.create(image_id, owner="project", disk_format="raw" if formats else None)
        return image_id

    def delete(self, image_id: str) -> None:
        self.catalog.delete(image_id)


class ToySubject(CatalogSubject):
    """The table of `examples/toy_catalog.py`, whose `context` is a user's name."""

    caller, stranger = "ann", "bob"

    def __init__(self) -> None:
        self.catalog = ToyCatalog()

    def open(self) -> ToyCatalog:
        return self.catalog

    def create(self, *, formats: bool = True) -> str:
        image_id = f"image-{next(_numbers)}"
        self.catalog.images[image_id] = Image("ann", StoredImage(image_id, "queued"))
        return image_id

    def delete(self, image_id: str) -> None:
        del self.catalog.images[image_id]


class SqlSubject(CopyCatalogSubject):
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


class MemoryQuotaSubject(QuotaSubject):
    """Accounts in memory."""

    def __init__(self, quota: type[MemoryQuota] = MemoryQuota) -> None:
        self.quota = quota(lambda owner: self.limit)

    def open(self) -> MemoryQuota:
        return self.quota


class LedgerSubject(QuotaSubject):
    """A ledger in a database; each has a process's own spare bytes, which it gives to the others at the next tick."""

    def __init__(self, url: str, stack: contextlib.ExitStack) -> None:
        self._url, self._stack = url, stack

    def open(self) -> SqlLedger:
        ledger = SqlLedger(self._url, FixedLimits(Allowance(size=self.limit)), tick=0.05)
        return self._stack.enter_context(contextlib.closing(ledger))
