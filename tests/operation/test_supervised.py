"""Trouble stays where it is: no failure ends a thread of the service, and each is seen."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgstore.drivers.memory import MemoryDriver
from imgstore.service.watch import HealthSettings
from imgstore.store import Store, StoreSet
from imgstore.supervised import Supervised
from tests.support.service import LocalService
from tests.support.waiting import until


def test_a_failure_is_told_once_and_tried_again_after_pauses_that_grow(caplog: pytest.LogCaptureFixture) -> None:
    supervised, failures = Supervised("work", pause=1, longest=5), itertools.count(1)

    def fails() -> None:
        raise OverflowError(f"secret {next(failures)}")

    assert [supervised.round(fails) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert (supervised.failures, bool(supervised.failing)) == (5, True)
    assert supervised.round(lambda: None) == 0
    assert (supervised.failures, supervised.failing) == (5, "")
    assert supervised.round(fails) == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING, logging.ERROR]
    assert "secret" not in caplog.text


def once(real: Callable[..., Any]) -> Callable[..., Any]:
    """`real`, whose first call raises what nobody expects."""
    calls = itertools.count()

    def call(*arguments: object, **named: object) -> object:
        if next(calls) == 0:
            raise OverflowError("a defect")
        return real(*arguments, **named)

    return call


def test_every_thread_goes_on_and_its_failure_is_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = StoreSet([Store("main", MemoryDriver())], default="main")
    health = HealthSettings(interval=0.02)
    with LocalService(tmp_path, stores, health=health, recovery_interval=0.02, lease=0.3).running() as local:
        service = local.service
        monkeypatch.setattr(service.keeper.recovery, "recover", once(service.keeper.recovery.recover))
        monkeypatch.setattr(service.keeper.leases, "_renew", once(service.keeper.leases._renew))
        monkeypatch.setattr(service.quota, "asked_for", once(service.quota.asked_for))
        (watch,) = service.health._watches
        monkeypatch.setattr(watch, "check", once(watch.check))
        with local.client.begin_upload(local.client.create(), length=None) as upload:
            upload.send(b"data")
            threads = {"recovery", "leases", "holds", "health of main"}
            others = {"health of the catalog", "health of the ledger", "first cleaning of main", "counting"}
            failed = dict.fromkeys(threads, "1.0") | dict.fromkeys(others, "0.0")
            until(lambda: found(local, "imgstore_thread_failures_total") == failed)
            until(lambda: found(local, "imgstore_thread_failing") == dict.fromkeys(failed, "0.0"))
            upload.send(b"more")
            assert upload.finish().status == 204


def found(local: LocalService, metric: str) -> dict[str, str]:
    lines = local.client.get("/metrics").body.decode()
    return dict(re.findall(rf'^{metric}{{thread="([^"]*)"}} (.*)$', lines, re.MULTILINE))
