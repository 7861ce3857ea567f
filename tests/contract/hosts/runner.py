"""Runs one test of a contract for hosts without pytest's machinery, so that many broken hosts are tried quickly."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

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


def verdict(contract: type, test: str, bench: object) -> str | None:
    """None if the test passes, else what it says. What a test does not mean to say is a defect, and raised."""
    try:
        getattr(contract(), test)(bench)
    except (AssertionError, pytest.fail.Exception) as failure:
        return str(failure)
    return None


def name_of(value: Any) -> str:
    """For the identifiers of parameters."""
    return str(getattr(value, "__name__", value))
