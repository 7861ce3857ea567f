"""Runs one test of a contract for hosts without pytest's machinery, so that many broken hosts are tried quickly."""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

A_MOMENT = 0.05

Mutant = TypeVar("Mutant")


class Mutants(list[tuple[str, Mutant]]):
    """Broken hosts, each with the test that must catch it."""

    def caught_by(self, *tests: str) -> Callable[[Mutant], Mutant]:
        """Registers one."""

        def register(mutant: Mutant) -> Mutant:
            self.extend((test, mutant) for test in tests)
            return mutant

        return register


def all_tests(contract: type) -> set[str]:
    """The names of all tests of a contract."""
    return {name for name, _ in inspect.getmembers(contract, inspect.isfunction) if name.startswith("test_")}


def cases(contract: type, test: str) -> Iterator[dict[str, Any]]:
    """The parameters with which pytest would run the test."""
    marks = [mark for mark in getattr(getattr(contract, test), "pytestmark", ()) if mark.name == "parametrize"]
    columns = [[(mark.args[0], value) for value in mark.args[1]] for mark in marks]
    return (dict(case) for case in itertools.product(*columns))


def verdict(contract: type, test: str, bench: Callable[[], object]) -> str | None:
    """None if the test passes, else what its first failing case says. What a test does not mean to say is a defect of
    the mutant, and raised. Each case has a bench of its own."""
    for parameters in cases(contract, test):
        try:
            getattr(contract(), test)(bench(), **parameters)
        except (AssertionError, pytest.fail.Exception) as failure:
            return str(failure)
    return None


_meeting = threading.Barrier(2)


def meet_another() -> None:
    """Returns when a second thread is here, too, or after a moment: where a broken host lets two in, two come in."""
    try:
        _meeting.wait(A_MOMENT)
    except threading.BrokenBarrierError:
        _meeting.reset()


def name_of(value: Any) -> str:
    """For the identifiers of parameters."""
    return str(getattr(value, "__name__", value))
