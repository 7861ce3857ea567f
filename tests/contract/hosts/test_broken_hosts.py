"""Every test of the contracts for hosts can fail: for each there is a broken catalog, quota or host that it catches."""

from __future__ import annotations

import pytest

from imgstore.catalog import MemoryCatalog
from imgstore.hosting import TableCatalog, TablePlaces
from imgstore.quota import MemoryQuota
from imgstore.testing import (
    CatalogContract,
    ConfirmsOwnership,
    CopyCatalogContract,
    HidesImages,
    KeptCatalogContract,
    KeptQuotaContract,
    NoticesRestores,
    PlaceMemoryContract,
    QuotaContract,
    RecoversCopies,
    RefusesUnsetFormats,
)
from imgstore.testing.hosts.catalog_bench import CatalogBench
from imgstore.testing.hosts.copy_catalog import CopyBench
from imgstore.testing.hosts.kept_catalog import KeptBench
from imgstore.testing.hosts.kept_quota import KeptQuotaBench
from imgstore.testing.hosts.places import PlaceBench
from imgstore.testing.hosts.quota import QuotaBench
from tests.contract.hosts import (
    broken_catalogs,
    broken_copies,
    broken_kept_quotas,
    broken_places,
    broken_quotas,
    broken_recoveries,
)
from tests.contract.hosts.broken_kept_quotas import KeptQuota, KeptQuotaInMemory
from tests.contract.hosts.runner import Mutants, all_tests, name_of, verdict
from tests.contract.hosts.subjects import MemoryQuotaSubject, MemorySubject
from tests.hosting.tables import PlacesSubject, TableSubject


class Catalog(ConfirmsOwnership, HidesImages, RefusesUnsetFormats, CatalogContract):
    """Everything that can be demanded of a catalog for uploads."""


class Places(NoticesRestores, PlaceMemoryContract):
    """Everything that can be demanded of a memory of places."""


class Recovery(RecoversCopies, KeptCatalogContract):
    """Everything that can be demanded of a catalog that is recovered."""


@pytest.mark.parametrize(
    ("contract", "mutants"),
    [
        (Catalog, broken_catalogs.MUTANTS),
        (CopyCatalogContract, broken_copies.MUTANTS),
        (Recovery, broken_recoveries.MUTANTS),
        (QuotaContract, broken_quotas.MUTANTS),
        (KeptQuotaContract, broken_kept_quotas.MUTANTS),
        (Places, broken_places.MUTANTS),
    ],
    ids=name_of,
)
def test_every_test_of_a_contract_has_a_mutant(contract: type, mutants: Mutants[type]) -> None:
    assert {test for test, _ in mutants} == all_tests(contract)


def assert_caught(said: str | None, mutant: type, section: str) -> None:
    """The failure says which object did what instead of what, and where to read."""
    assert said is not None
    assert mutant.__name__ in said
    assert "instead of" in said
    assert f"doc/prove-your-host.md#{section}" in said


@pytest.mark.parametrize(("test", "mutant"), broken_catalogs.MUTANTS, ids=name_of)
def test_broken_catalog_is_caught(test: str, mutant: type[MemoryCatalog]) -> None:
    said = verdict(Catalog, test, lambda: CatalogBench(MemorySubject(mutant)))
    assert_caught(said, mutant, "laws-of-a-catalog")


@pytest.mark.parametrize(("test", "mutant"), broken_copies.MUTANTS, ids=name_of)
def test_broken_copies_are_caught(test: str, mutant: type[MemoryCatalog]) -> None:
    said = verdict(CopyCatalogContract, test, lambda: CopyBench(MemorySubject(mutant)))
    assert_caught(said, mutant, "laws-of-a-catalog")


@pytest.mark.parametrize(("test", "mutant"), broken_quotas.MUTANTS, ids=name_of)
def test_broken_quota_is_caught(test: str, mutant: type[MemoryQuota]) -> None:
    said = verdict(QuotaContract, test, lambda: QuotaBench(MemoryQuotaSubject(mutant)))
    assert_caught(said, mutant, "laws-of-a-quota")


@pytest.mark.parametrize(("test", "mutant"), broken_recoveries.MUTANTS, ids=name_of)
def test_broken_recovery_is_caught(test: str, mutant: type[TableCatalog]) -> None:
    said = verdict(Recovery, test, lambda: KeptBench(TableSubject(mutant)))
    assert_caught(said, mutant, "laws-of-a-catalog-that-is-recovered")


@pytest.mark.parametrize(("test", "mutant"), broken_kept_quotas.MUTANTS, ids=name_of)
def test_broken_recovery_of_a_quota_is_caught(test: str, mutant: type[KeptQuota]) -> None:
    said = verdict(KeptQuotaContract, test, lambda: KeptQuotaBench(KeptQuotaInMemory(mutant)))
    assert_caught(said, mutant, "laws-of-a-quota")
    assert verdict(KeptQuotaContract, test, lambda: KeptQuotaBench(KeptQuotaInMemory())) is None


@pytest.mark.parametrize(("test", "mutant"), broken_places.MUTANTS, ids=name_of)
def test_broken_memory_of_places_is_caught(test: str, mutant: type[TablePlaces]) -> None:
    said = verdict(Places, test, lambda: PlaceBench(PlacesSubject(mutant)))
    assert_caught(said, mutant, "laws-of-a-memory-of-places")
