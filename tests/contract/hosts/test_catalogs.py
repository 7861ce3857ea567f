"""The library's catalogs keep the contract."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from imgstore.testing import (
    CatalogContract,
    CatalogSubject,
    ConfirmsOwnership,
    CopyCatalogContract,
    CopyCatalogSubject,
    HidesImages,
    KeptCatalogContract,
    KeptCatalogSubject,
    PlaceMemoryContract,
    PlaceMemorySubject,
    RecoversCopies,
    RefusesUnsetFormats,
)
from tests.contract.hosts.subjects import MemorySubject, SqlPlacesSubject, SqlSubject
from tests.support.database_fixtures import EACH_DATABASE


class TestMemoryCatalog(ConfirmsOwnership, HidesImages, RefusesUnsetFormats, CatalogContract):
    @pytest.fixture
    def subject(self) -> CatalogSubject:
        return MemorySubject()


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
class TestSqlCatalog(ConfirmsOwnership, HidesImages, RefusesUnsetFormats, CatalogContract):
    @pytest.fixture
    def subject(self, tables: str) -> Iterator[CatalogSubject]:
        with contextlib.ExitStack() as stack:
            yield SqlSubject(tables, stack)


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
class TestSqlPlaces(PlaceMemoryContract):
    @pytest.fixture
    def subject(self, tables: str) -> Iterator[PlaceMemorySubject]:
        with contextlib.ExitStack() as stack:
            yield SqlPlacesSubject(tables, stack)


class TestMemoryCopies(CopyCatalogContract):
    @pytest.fixture
    def subject(self) -> CopyCatalogSubject:
        return MemorySubject()


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
class TestSqlCopies(CopyCatalogContract):
    @pytest.fixture
    def subject(self, tables: str) -> Iterator[CopyCatalogSubject]:
        with contextlib.ExitStack() as stack:
            yield SqlSubject(tables, stack)


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
class TestSqlRecovery(RecoversCopies, KeptCatalogContract):
    @pytest.fixture
    def subject(self, tables: str) -> Iterator[KeptCatalogSubject]:
        with contextlib.ExitStack() as stack:
            yield SqlSubject(tables, stack)
