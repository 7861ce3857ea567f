"""Every test of the contracts for hosts can fail: for each there is a broken catalog, quota or host that it catches."""

from __future__ import annotations

import pytest

from imgstore.catalog import MemoryCatalog
from imgstore.quota import MemoryQuota
from imgstore.testing import (
    CatalogContract,
    ConfirmsOwnership,
    CopyCatalogContract,
    HidesImages,
    QuotaContract,
    RefusesUnsetFormats,
)
from imgstore.testing.hosts.catalog_bench import CatalogBench
from imgstore.testing.hosts.copy_catalog import CopyBench
from imgstore.testing.hosts.quota import QuotaBench
from tests.contract.hosts import broken_catalogs, broken_copies, broken_quotas
from tests.contract.hosts.runner import Mutants, all_tests, name_of, verdict
from tests.contract.hosts.subjects import MemoryQuotaSubject, MemorySubject


class Catalog(ConfirmsOwnership, HidesImages, RefusesUnsetFormats, CatalogContract):
    """Everything that can be demanded of a catalog for uploads."""


@pytest.mark.parametrize(
    ("contract", "mutants"),
    [
        (Catalog, broken_catalogs.MUTANTS),
        (CopyCatalogContract, broken_copies.MUTANTS),
        (QuotaContract, broken_quotas.MUTANTS),
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
    assert f"doc/embedding.md#{section}" in said


@pytest.mark.parametrize(("test", "mutant"), broken_catalogs.MUTANTS, ids=name_of)
def test_broken_catalog_is_caught(test: str, mutant: type[MemoryCatalog]) -> None:
    said = verdict(Catalog, test, CatalogBench(MemorySubject(mutant)))
    assert_caught(said, mutant, "laws-of-a-catalog")


@pytest.mark.parametrize(("test", "mutant"), broken_copies.MUTANTS, ids=name_of)
def test_broken_copies_are_caught(test: str, mutant: type[MemoryCatalog]) -> None:
    said = verdict(CopyCatalogContract, test, CopyBench(MemorySubject(mutant)))
    assert_caught(said, mutant, "laws-of-a-catalog")


@pytest.mark.parametrize(("test", "mutant"), broken_quotas.MUTANTS, ids=name_of)
def test_broken_quota_is_caught(test: str, mutant: type[MemoryQuota]) -> None:
    said = verdict(QuotaContract, test, QuotaBench(MemoryQuotaSubject(mutant)))
    assert_caught(said, mutant, "laws-of-a-quota")
