"""A disk that runs full: a good driver passes the contract, and each broken one is caught."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.contract.mutants.filling import FILLING, LAW, FileDriver, FileSubject
from tests.contract.runner import verdict_on

pytestmark = pytest.mark.server  # the law forks


def said_of(driver: type[FileDriver], root: Path) -> str | None:
    return verdict_on(LAW, lambda: contextlib.nullcontext(FileSubject(driver, root)))


def test_good_driver_passes(tmp_path: Path) -> None:
    assert said_of(FileDriver, tmp_path) is None


@pytest.mark.parametrize(("driver", "told"), FILLING)
def test_mutant_is_caught(driver: type[FileDriver], told: str, tmp_path: Path) -> None:
    assert told in (said_of(driver, tmp_path) or "")
