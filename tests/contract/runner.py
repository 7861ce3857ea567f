"""Runs one test of the contract without pytest's machinery, so that many broken drivers are tried in little time."""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.testing import AtomicCreation, DriverContract, Histories, Subject, working_bench
from tests.contract.mutants import MutantSubject


class Contract(Histories, AtomicCreation, DriverContract):
    """Everything that can be demanded of a driver."""

    SECONDS = 0.0


def contract_tests() -> list[str]:
    """The names of all tests of the contract."""
    return sorted(name for name, _ in inspect.getmembers(Contract, inspect.isfunction) if name.startswith("test_"))


def cases(test: str) -> Iterator[dict[str, Any]]:
    """The parameters with which pytest would run the test."""
    marks = [mark for mark in getattr(getattr(Contract, test), "pytestmark", ()) if mark.name == "parametrize"]
    columns = [[(mark.args[0], value) for value in mark.args[1]] for mark in marks]
    return (dict(case) for case in itertools.product(*columns))


@contextlib.contextmanager
def in_memory(driver: type[MemoryDriver]) -> Iterator[Subject]:
    """Drivers of a class on an empty storage."""
    subject = MutantSubject(driver)
    try:
        yield subject
    finally:
        subject.clean_up()


def verdict(test: str, driver: type[MemoryDriver]) -> str | None:
    """None if the driver passes, else what the first failing case says."""
    return verdict_on(test, lambda: in_memory(driver))


def verdict_on(test: str, subjects: Callable[[], AbstractContextManager[Subject]]) -> str | None:
    """The same for a new subject in each case. Only what a test means to say counts: an assertion, a failure of
    pytest's, an error of the library's. Anything else is a defect of the mutant, and raised."""
    for parameters in cases(test):
        try:
            with subjects() as subject, working_bench(subject) as bench:
                getattr(Contract(), test)(bench, **parameters)
        except pytest.fail.Exception as failure:
            if isinstance(failure.__cause__, (AssertionError, pytest.fail.Exception, errors.ImgstoreError)):
                return str(failure)
            raise
    return None
