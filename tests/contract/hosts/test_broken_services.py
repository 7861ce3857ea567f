"""Every test of the contract over HTTP can fail: for each there is a broken host that it catches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import pytest

from imgstore.testing import (
    AnswersBrokenBodies,
    AsksWho,
    DeletesImages,
    HasReadOnlyStore,
    HostContract,
    InspectsContent,
    LimitsQuota,
    LimitsSize,
    NamesStores,
    RefusesBeforeTheBody,
    RefusesSignatures,
)
from imgstore.testing.hosts import host_bench, wire
from imgstore.testing.hosts.host_bench import HostBench
from tests.contract.hosts.broken_hosts import MUTANTS, BrokenHost
from tests.contract.hosts.house import Stage, answering, serving
from tests.contract.hosts.runner import all_tests, name_of, verdict

SHORT = 0.3
"""Seconds for which a client waits for what never comes."""


class Contract(
    AnswersBrokenBodies, RefusesBeforeTheBody, LimitsSize, LimitsQuota, DeletesImages, AsksWho, InspectsContent,
    NamesStores, HasReadOnlyStore, RefusesSignatures, HostContract,
):  # fmt: skip
    """Everything that can be demanded of a host."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with serving() as stage:
        yield stage


def test_every_test_of_the_contract_has_a_mutant() -> None:
    assert {test for test, _ in MUTANTS} == all_tests(Contract)


@pytest.mark.parametrize(("test", "mutant"), MUTANTS, ids=name_of)
def test_broken_host_is_caught(
    stage: Stage, test: str, mutant: type[BrokenHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (wire, host_bench):
        monkeypatch.setattr(module, "PATIENCE", SHORT)
    monkeypatch.setattr(wire, "HESITATION", SHORT)
    with contextlib.ExitStack() as stack:
        house = mutant()
        stage.app, house.url = house, stage.server.url
        if house.ANSWER:
            house.url = stack.enter_context(answering(house.ANSWER))
        said = verdict(Contract, test, partial(HostBench, house))
    assert said is not None
    assert "instead of" in said
    assert "doc/prove-your-host.md#laws-of-a-host-over-http" in said


@pytest.mark.parametrize("test", sorted(all_tests(Contract)))
def test_unbroken_host_passes(stage: Stage, test: str) -> None:
    house = BrokenHost()
    stage.app, house.url = house, stage.server.url
    assert verdict(Contract, test, partial(HostBench, house)) is None
