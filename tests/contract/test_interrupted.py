"""What the contract says of drivers whose requests fail: a good one passes, and each broken one is caught."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable

import pytest

from imgstore.driver import ObjectWriter
from imgstore.testing import Subject, breaking, interrupted
from imgstore.testing.breaking import IMPATIENT
from imgstore.testing.faults import FaultProxy, proxy
from imgstore.testing.interrupted import InterruptedLaws
from tests.contract.mutants.interrupted import INTERRUPTED
from tests.contract.over_http import PART, Handler, HttpDriver, HttpSubject, HttpWriter
from tests.contract.runner import contract_tests, verdict_on
from tests.contract.subjects import MemorySubject

LAWS = [test for test in contract_tests() if hasattr(InterruptedLaws, test)]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a mutant does not do is not waited for."""
    monkeypatch.setattr(interrupted, "PATIENCE", 0.0)
    monkeypatch.setattr(breaking, "HUNG", 0.5)
    monkeypatch.setattr(breaking, "LONGER", (1, 2, 3))


@pytest.mark.parametrize("test", LAWS)
def test_unbroken_driver_passes(test: str) -> None:
    assert verdict_on(test, lambda: HttpSubject(every_fault=False).running()) is None


@pytest.mark.parametrize(("test", "subject"), INTERRUPTED)
def test_mutant_is_caught(test: str, subject: Callable[[], HttpSubject]) -> None:
    assert verdict_on(test, lambda: subject().running()) is not None


class OneRequest(HttpDriver):
    """An upload is a request that is open from its first chunk to its end. The server forgets what is cut off."""

    proxy: FaultProxy

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return OneRequestWriter(self, key)


class OneRequestWriter(HttpWriter):
    driver: OneRequest
    connection: http.client.HTTPConnection | None = None

    def _write(self, chunk: bytes | memoryview) -> None:
        if self.connection is None:
            self.connection = self._begun()
        self.connection.send(bytes(chunk))

    def _begun(self) -> http.client.HTTPConnection:
        before = len(self.driver.proxy.requests)
        connection = http.client.HTTPConnection(self.driver.address, timeout=self.driver.timeout)
        connection.putrequest("PUT", f"/object/{self.key}?upload={self.upload}")
        connection.putheader("Content-Length", str(2 * PART))
        connection.endheaders()
        self.driver.proxy.wait_until(before + 1)
        return connection

    def _abort(self) -> None:
        if self.connection is not None:
            self.connection.close()


class OneRequestSubject(HttpSubject):
    def through(self, proxy: FaultProxy, *, timeout: float) -> HttpDriver:
        driver = OneRequest(proxy.url.removeprefix("http://"), timeout=timeout)
        driver.proxy = proxy
        return driver


def test_an_upload_may_be_one_request_that_waits_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "PATIENCE", 2.0)
    assert verdict_on("test_broken_abort_removes_all_or_says_so", lambda: OneRequestSubject().running()) is None


HASTY = "hasty=True"


class SlowForTheHasty(Handler):
    """As a busy machine: it does what it is asked when its client has given up, and has undone its upload."""

    def parse_request(self) -> bool:
        is_request = super().parse_request()
        if is_request and self.path.endswith(HASTY):
            time.sleep(1.5 * IMPATIENT)
            self.path = self.path.removesuffix(HASTY)
        return is_request


class HastyDriver(HttpDriver):
    HURRIES = ""

    def ask(self, method: str, what: str, body: bytes = b"", **arguments: object) -> tuple[dict[str, str], bytes]:
        if self.timeout == IMPATIENT and what.startswith(self.HURRIES):
            arguments["hasty"] = True
        return super().ask(method, what, body, **arguments)


class HurriesWithParts(HastyDriver):
    HURRIES = "part/"


class BusySubject(HttpSubject):
    handler = SlowForTheHasty


@pytest.mark.parametrize(
    ("driver", "test"),
    [
        (HurriesWithParts, "test_broken_upload_is_whole_or_undone"),
        (HastyDriver, "test_broken_delete_removes_the_object_or_leaves_it_whole"),
        (HastyDriver, "test_broken_copy_is_whole_or_undone"),
    ],
)
def test_good_driver_that_gives_up_on_a_busy_machine_is_not_blamed(driver: type[HttpDriver], test: str) -> None:
    subject = BusySubject(driver, every_fault=False)
    assert verdict_on(test, subject.running) is None


class Silent(MemorySubject):
    """It says nothing of a server."""

    server = Subject.server


def test_a_subject_cannot_forget_its_server() -> None:
    with pytest.raises(pytest.fail.Exception, match="Silent does not say which server its drivers talk to"):
        verdict_on("test_broken_upload_is_whole_or_undone", lambda: contextlib.nullcontext(Silent()))
