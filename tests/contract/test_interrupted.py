"""What the contract says of drivers whose requests fail: a good one passes, and each broken one is caught."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from imgstore.testing import Subject, breaking, interrupted
from imgstore.testing.breaking import IMPATIENT
from imgstore.testing.interrupted import InterruptedLaws
from tests.contract.mutants.interrupted import INTERRUPTED
from tests.contract.over_http import Handler, HttpDriver, HttpSubject
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


class SlowForTheHasty(Handler):
    """As a busy machine: it takes a part when its client has given up, and has undone its upload."""

    def do_PUT(self) -> None:  # noqa: N802 - a name of the base
        if "hasty" in self.path:
            time.sleep(1.5 * IMPATIENT)
        self._do()

    def _put_part(self, key: str, *, body: bytes, upload: str, number: str, hasty: str = "") -> None:
        super()._put_part(key, body=body, upload=upload, number=number)


class HastyDriver(HttpDriver):
    def ask(self, method: str, what: str, body: bytes = b"", **arguments: object) -> tuple[dict[str, str], bytes]:
        if self.timeout == IMPATIENT and what.startswith("part/"):
            arguments["hasty"] = True
        return super().ask(method, what, body, **arguments)


class BusySubject(HttpSubject):
    handler = SlowForTheHasty


def test_good_driver_that_gives_up_on_a_busy_machine_is_not_blamed() -> None:
    subject = BusySubject(HastyDriver, every_fault=False)
    assert verdict_on("test_broken_upload_is_whole_or_undone", subject.running) is None


class Silent(MemorySubject):
    """It says nothing of a server."""

    server = Subject.server


def test_a_subject_cannot_forget_its_server() -> None:
    with pytest.raises(pytest.fail.Exception, match="Silent does not say which server its drivers talk to"):
        verdict_on("test_broken_upload_is_whole_or_undone", lambda: contextlib.nullcontext(Silent()))
