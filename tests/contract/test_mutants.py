"""Every test of the contract can fail: for each there is a broken driver that it catches."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imgstore.testing import clearing, giving, leftovers, resources
from tests.contract.mutants import MUTANTS, Mutant
from tests.contract.mutants.filling import LAW as FULL_DISK
from tests.contract.mutants.interrupted import CAUGHT
from tests.contract.mutants.resources import LATE
from tests.contract.runner import contract_tests, verdict

SECTIONS = re.findall(r"^## (.*)$", (Path(__file__).parents[2] / "doc/drivers.md").read_text(), re.MULTILINE)
PAIRS = [(test, mutant) for mutant in MUTANTS for test in mutant.CAUGHT_BY]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory nothing happens later."""
    monkeypatch.setattr(clearing, "PAUSE", 0.0)
    monkeypatch.setattr(giving, "PAUSE", -giving.SHORT)
    monkeypatch.setattr(leftovers, "PATIENCE", 0.0)
    monkeypatch.setattr(resources, "A_MOMENT", 2 * LATE)


def test_every_test_of_the_contract_has_a_mutant() -> None:
    assert {test for test, _ in PAIRS} | CAUGHT | {FULL_DISK} == set(contract_tests())


@pytest.mark.parametrize(("test", "mutant"), PAIRS, ids=lambda value: getattr(value, "__name__", value))
def test_mutant_is_caught(test: str, mutant: type[Mutant]) -> None:
    told = verdict(test, mutant)
    assert told is not None
    head, law, *_ = told.splitlines()
    assert re.match(rf"{mutant.__name__}: \w+\.\w+\(.*\): .", head), "it names the driver and the call, and what it did"
    found = re.fullmatch(r'The law: [\w ]+\. Read doc/drivers\.md, section "(.*)"\.', law)
    assert found is not None
    assert found[1] in SECTIONS


@pytest.mark.server  # one of the laws forks
def test_unbroken_mutant_passes() -> None:
    assert {test: said for test in contract_tests() if (said := verdict(test, Mutant)) is not None} == {}
