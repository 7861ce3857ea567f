"""Every test of the contracts for hosts can fail: for each there is a broken catalog, quota or host that it catches."""

from __future__ import annotations

import pytest

from imgstore.catalog import MemoryCatalog
from imgstore.testing.hosts.catalog_bench import CatalogBench
from tests.contract.hosts import broken_catalogs
from tests.contract.hosts.runner import all_tests, name_of, verdict
from tests.contract.hosts.subjects import MemorySubject
from tests.contract.hosts.test_catalogs import TestMemoryCatalog as Catalog


def test_every_test_of_a_contract_has_a_mutant() -> None:
    assert {test for test, _ in broken_catalogs.MUTANTS} == all_tests(Catalog)


@pytest.mark.parametrize(("test", "mutant"), broken_catalogs.MUTANTS, ids=name_of)
def test_broken_catalog_is_caught(test: str, mutant: type[MemoryCatalog]) -> None:
    said = verdict(Catalog, test, CatalogBench(MemorySubject(mutant)))
    assert said is not None
    assert mutant.__name__ in said, "the failure names the object"
    assert "instead of" in said
    assert "doc/embedding.md#laws-of-a-catalog" in said
