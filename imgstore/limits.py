"""How much a project, a project in one store, and a store may take: what a quota is held to (law 4).

`Limits` is what a host supplies; `FixedLimits` has them from a configuration. Whoever keeps the quota asks before each
reservation and each extension, never inside a transaction, so an answer may take as long as a request to another
service; it may be a minute old. What this module refuses to do: know what is in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be taken; None: no limit. `size` in bytes, uploads under way included; `images`: how many there may be,
    queued ones included for a project, those with data for a store; `uploads`: how many may be under way at a time."""

    size: int | None = None
    images: int | None = None
    uploads: int | None = None


class Limits(Protocol):
    """Where limits come from. Each method raises CatalogUnavailable, or another error of status 503, if it cannot
    tell."""

    def project(self, owner: str) -> Allowance:
        """What a project may take in all stores together."""

    def project_in_store(self, owner: str, store: str) -> Allowance:
        """What a project may take in one store."""

    def store(self, store: str) -> Allowance:
        """What all projects together may take in a store: its capacity."""


@dataclass(frozen=True, slots=True)
class FixedLimits:
    """Limits that are given. `default` is every project's, `projects` the whole allowance of those with one of their
    own; `in_stores` what each project may take in a store, `stores` what a store has room for."""

    default: Allowance = Allowance()
    projects: Mapping[str, Allowance] = field(default_factory=dict)
    in_stores: Mapping[str, Allowance] = field(default_factory=dict)
    stores: Mapping[str, Allowance] = field(default_factory=dict)

    def project(self, owner: str) -> Allowance:
        """See Limits."""
        return self.projects.get(owner, self.default)

    def project_in_store(self, owner: str, store: str) -> Allowance:
        """See Limits."""
        return self.in_stores.get(store, Allowance())

    def store(self, store: str) -> Allowance:
        """See Limits."""
        return self.stores.get(store, Allowance())


NO_LIMITS: Limits = FixedLimits()
