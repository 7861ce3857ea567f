"""Deliberately broken drivers: for every test of the contract at least one that it catches.

A mutant is the memory driver with one law broken. The rules that the base keeps are broken by patching the final
methods after the class is made, or the private ones beneath them.
"""

from tests.contract.mutants import (
    aborting,
    capacity,
    checking,
    clearing,
    copying,
    describing,
    failing,
    giving,
    histories,
    leftovers,
    naming,
    neighbours,
    parts,
    reading,
    resources,
    sizes,
    visibility,
    writing,
)
from tests.contract.mutants.base import MUTANTS, Mutant, MutantSubject

__all__ = [
    "MUTANTS",
    "Mutant",
    "MutantSubject",
    "aborting",
    "capacity",
    "checking",
    "clearing",
    "copying",
    "describing",
    "failing",
    "giving",
    "histories",
    "leftovers",
    "naming",
    "neighbours",
    "parts",
    "reading",
    "resources",
    "sizes",
    "visibility",
    "writing",
]
