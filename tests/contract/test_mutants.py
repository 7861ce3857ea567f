"""Every test of the contract can fail: for each there is a broken driver that it catches."""

from __future__ import annotations

import pytest

from imgstore.drivers.memory import MemoryDriver
from imgstore.testing import clearing, leftovers
from tests.contract.mutants import MUTANTS, Mutant
from tests.contract.mutants.interrupted import CAUGHT
from tests.contract.runner import contract_tests, verdict

PAIRS = [(test, mutant) for mutant in MUTANTS for test in mutant.CAUGHT_BY]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory nothing happens later."""
    monkeypatch.setattr(clearing, "PAUSE", 0.0)
    monkeypatch.setattr(leftovers, "PATIENCE", 0.0)


def test_every_test_of_the_contract_has_a_mutant() -> None:
    assert {test for test, _ in PAIRS} | CAUGHT == set(contract_tests())


@pytest.mark.parametrize(("test", "mutant"), PAIRS, ids=lambda value: getattr(value, "__name__", value))
def test_mutant_is_caught(test: str, mutant: type[Mutant]) -> None:
    assert verdict(test, mutant) is not None


@pytest.mark.parametrize("driver", [MemoryDriver, Mutant])
@pytest.mark.parametrize("test", contract_tests())
def test_unbroken_driver_passes(test: str, driver: type[MemoryDriver]) -> None:
    assert verdict(test, driver) is None
