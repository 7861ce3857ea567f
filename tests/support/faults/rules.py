"""Which requests fail how, and a record of every request."""

from __future__ import annotations

import re
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.faults.faults import Fault


@dataclass
class Seen:
    """A request. `path` and `query` as they were sent, header names in lower case. `received`: bytes of its body that
    came. `status`: of the answer that went to the client, None if none did. `ended`: it is no longer under way."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    received: int = 0
    status: int | None = None
    ended: bool = False

    @property
    def arguments(self) -> dict[str, str]:
        """The query, decoded."""
        return dict(urllib.parse.parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True)
class Pattern:
    """What a request must be like."""

    method: str | None = None
    path: str = ""
    query: str = ""

    def matches(self, seen: Seen) -> bool:
        """Whether it is."""
        return (
            self.method in (None, seen.method)
            and re.search(self.path, seen.path) is not None
            and re.search(self.query, seen.query) is not None
        )


@dataclass
class Rule:
    """What becomes of some requests. `matched` and `hits`: how many so far."""

    fault: Fault
    pattern: Pattern
    skip: int
    times: int | None
    matched: int = 0
    hits: int = 0

    def hits_now(self, seen: Seen) -> bool:
        """Whether this request, which counts from now on, is one of them."""
        if not self.pattern.matches(seen):
            return False
        self.matched += 1
        if self.matched <= self.skip or self.hits == self.times:
            return False
        self.hits += 1
        return True


@dataclass
class Script:
    """All rules and all requests; for many threads."""

    rules: list[Rule] = field(default_factory=list)
    requests: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rule: Rule) -> None:
        """Another rule."""
        with self.lock:
            self.rules.append(rule)

    def forget_rules(self) -> None:
        """From now on nothing fails."""
        with self.lock:
            self.rules.clear()

    def faults(self, seen: Seen) -> list[Fault]:
        """Records a request; what becomes of it."""
        with self.lock:
            self.requests.append(seen)
            return [rule.fault for rule in self.rules if rule.hits_now(seen)]

    def all(self) -> list[Seen]:
        """All requests so far."""
        with self.lock:
            return list(self.requests)
