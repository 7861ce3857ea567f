"""Which requests fail how, and the list of all requests."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from imgstore.testing.faults.faults import Fault
from imgstore.testing.faults.seen import Seen


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
    """What becomes of some requests. `matched` and `hits`: how many so far; `hit`: those that it happened to."""

    fault: Fault
    pattern: Pattern
    skip: int
    times: int | None
    matched: int = 0
    hit: list[Seen] = field(default_factory=list)

    @property
    def hits(self) -> int:
        """To how many it happened."""
        return len(self.hit)

    def hits_now(self, seen: Seen) -> bool:
        """Whether this request, which counts from now on, is one of them."""
        if not self.pattern.matches(seen):
            return False
        self.matched += 1
        if self.matched <= self.skip or self.hits == self.times:
            return False
        self.hit.append(seen)
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
