"""What the contract says of drivers whose requests fail: a good one passes, and each broken one is caught."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from imgstore.testing import Subject, breaking, interrupted
from imgstore.testing.interrupted import InterruptedLaws
from tests.contract.mutants.interrupted import INTERRUPTED
from tests.contract.over_http import HttpSubject
from tests.contract.runner import contract_tests, verdict_on
from tests.contract.subjects import MemorySubject

LAWS = [test for test in contract_tests() if hasattr(InterruptedLaws, test)]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a mutant does not do is not waited for."""
    monkeypatch.setattr(interrupted, "PATIENCE", 0.0)
    monkeypatch.setattr(breaking, "HUNG", 0.5)


@pytest.mark.parametrize("test", LAWS)
def test_unbroken_driver_passes(test: str) -> None:
    assert verdict_on(test, lambda: HttpSubject(every_fault=False).running()) is None


@pytest.mark.parametrize(("test", "subject"), INTERRUPTED)
def test_mutant_is_caught(test: str, subject: Callable[[], HttpSubject]) -> None:
    assert verdict_on(test, lambda: subject().running()) is not None


class Silent(MemorySubject):
    """It says nothing of a server."""

    server = Subject.server


def test_a_subject_cannot_forget_its_server() -> None:
    with pytest.raises(pytest.fail.Exception, match="Silent does not say which server its drivers talk to"):
        verdict_on("test_broken_upload_is_whole_or_undone", lambda: contextlib.nullcontext(Silent()))
