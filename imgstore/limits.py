"""Limits: how much a project may take in all stores, how much in one store, and how much a store may hold.

A host supplies `Limits`; `FixedLimits` has them from a configuration. The quota asks before each reservation and each
extension, and never inside a transaction: an answer may take as long as a request to another service, and may be a
minute old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from imgstore import errors


def require_limit(limit: object, *, name: str) -> None:
    """Raises UsageError unless it is an int of 0 or more, or None. A -1 means "no limit" to some services, and would
    refuse everything here."""
    if limit is not None and not (isinstance(limit, int) and limit >= 0):
        told = "below 0" if isinstance(limit, int) else f"no int: its class is {type(limit).__name__}"
        raise errors.UsageError(f"{name} is {told}. A limit is an int of 0 or more, or None where there is no limit.")


@dataclass(frozen=True, slots=True)
class Allowance:
    """One limit for each thing that is counted; None: no limit. `size`: bytes, uploads under way included. `images`:
    for a project all images, queued ones included, for a store those with data. `uploads`: uploads under way. Raises
    UsageError for what is no limit."""

    size: int | None = None
    images: int | None = None
    uploads: int | None = None

    def __post_init__(self) -> None:
        for name in ("size", "images", "uploads"):
            require_limit(getattr(self, name), name=f"Allowance.{name}")


class Limits(Protocol):
    """The source of limits. Without an answer a method raises CatalogUnavailable, or another error of status 503."""

    def project(self, owner: str) -> Allowance:
        """The limits of a project in all stores together."""

    def project_in_store(self, owner: str, store: str) -> Allowance:
        """The limits of a project in one store."""

    def store(self, store: str) -> Allowance:
        """The limits of all projects together in a store: its capacity."""


@dataclass(frozen=True, slots=True)
class FixedLimits:
    """Limits from a configuration. `default` holds for every project without an entry in `projects`, `in_stores` for
    each project in that store, `stores` for that store as a whole."""

    default: Allowance = Allowance()
    projects: Mapping[str, Allowance] = field(default_factory=dict)
    in_stores: Mapping[str, Allowance] = field(default_factory=dict)
    stores: Mapping[str, Allowance] = field(default_factory=dict)

    def project(self, owner: str) -> Allowance:
        return self.projects.get(owner, self.default)

    def project_in_store(self, owner: str, store: str) -> Allowance:
        return self.in_stores.get(store, Allowance())

    def store(self, store: str) -> Allowance:
        return self.stores.get(store, Allowance())


NO_LIMITS: Limits = FixedLimits()
