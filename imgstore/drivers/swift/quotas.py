"""Swift's own quotas, kept to the byte: of a container, of its segments' container, of the account.

Swift compares them with what a PUT declares, so that segments and uploads of unknown length pass them. So the driver
asks for quota and usage when an upload begins, the rest limits its stream, and the bytes of uploads under way in this
process are held. That costs three requests, but only where there is a quota: that there is none is remembered for
`quota_age` seconds.

A container's usage is what is in it and in its segments' container: to Swift an object in segments is as large as its
manifest. Swift's usage lags by seconds; what this process stored meanwhile is added. Uploads of other processes are
unknown until they end. An upload's own segments, once Swift counts them, count twice until it ends. So near the limit
an upload that would just have fitted may be refused, never the other way round.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from imgstore import errors
from imgstore.driver.forks import OfOneProcess, ProcessLock
from imgstore.driver.keyed import KeyedLocks
from imgstore.drivers.swift.account import AccountClient
from imgstore.drivers.swift.answers import Headers, number
from imgstore.drivers.swift.errors import Denied
from imgstore.quota import Hold

LAG = 30.0
"""Seconds for which Swift's usage may not know what was stored here."""
MANY = 1000
"""Quotas that are there, and that are not, from which on those that were looked for too long ago are forgotten."""
Name = tuple[str, str]
"""Of a quota: the account's URL, and the container or nothing."""


@dataclass(frozen=True, slots=True)
class Level:
    """A quota and what is used of it, in bytes. `limit` None: no quota."""

    limit: int | None
    used: int


class Meter:
    """One quota as this process knows it: what Swift says is used, what is held, what was stored here a moment ago."""

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self._what = what
        self._clock = clock
        self._lock = ProcessLock()
        self._limit: int | None = None
        self._told = 0
        self._held = 0
        self._floor = 0
        self._floor_until = float("-inf")
        self._given = clock()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held, and all that was stored here is in what Swift says. Who has just been given it is
        about to hold something."""
        with self._lock:
            return not self._held and self._clock() > max(self._given + LAG, self._floor_until)

    def given(self) -> None:
        """Somebody has it now."""
        self._given = self._clock()

    def seen(self, level: Level) -> None:
        """What Swift says now."""
        with self._lock:
            self._limit, self._told = level.limit, level.used

    def used(self) -> int:
        """Bytes that are used, holds not counted."""
        with self._lock:
            return self._used()

    def take(self, more: int) -> None:
        """Holds `more` bytes. Raises StoreFull, and then holds no more."""
        with self._lock:
            taken = self._used() + self._held
            if self._limit is not None and more > 0 and taken + more > self._limit:
                said = f"the quota is {self._limit} bytes, {taken} are in use or being uploaded, and {more} more"
                problem = f"Image storage media is full: {said} were asked for."
                raise errors.StoreFull(problem, detail=f"The quota of {self._what}")
            self._held += more

    def end(self, held: int, *, base: int, stored: int = 0) -> None:
        """Ends a hold that began when `base` bytes were used; `stored` bytes were added to them."""
        with self._lock:
            self._held -= held
            if stored:
                self._floor = (self._floor if self._lagging() else base) + stored
                self._floor_until = self._clock() + LAG

    def give_back(self, size: int) -> None:
        """An object of `size` bytes was removed."""
        with self._lock:
            self._told = max(0, self._told - size)
            self._floor = max(0, self._floor - size)

    def _used(self) -> int:
        return max(self._told, self._floor) if self._lagging() else self._told

    def _lagging(self) -> bool:
        return self._clock() < self._floor_until


class MeterHold:
    """What one upload holds of several quotas: an `imgstore.quota.Hold`."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = [(meter, meter.used()) for meter in meters]
        self._held = 0
        self._open = True

    def extend_to(self, total: int) -> None:
        if not self._open or total <= self._held:
            return
        more = total - self._held
        with contextlib.ExitStack() as undo:
            for meter, base in self._meters:
                meter.take(more)
                undo.callback(meter.end, more, base=base)
            undo.pop_all()
        self._held = total

    def settle(self, actual: int) -> None:
        if self._open:
            self._open = False
            for meter, base in self._meters:
                meter.end(self._held, base=base, stored=actual)

    def release(self) -> None:
        self.settle(0)


class Meters(OfOneProcess):
    """What this process knows of all quotas of a store: one meter for each, whichever caller's upload it is. `age`:
    seconds for which it is remembered that there is no quota. A quota is named by the account's URL and the container,
    "" for the account's own. A child of a fork holds nothing, since its parent's uploads are not its own."""

    def __init__(self, *, age: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._age = age
        self._clock = clock
        self._lock = ProcessLock()
        self.deleting = KeyedLocks()
        self._none_until: dict[Name, float] = {}
        self._meters: dict[Name, Meter] = {}

    def none(self, name: Name) -> bool:
        """Whether it was seen lately that there is no such quota."""
        with self._lock:
            return self._clock() < self._none_until.get(name, float("-inf"))

    def seen(self, name: Name, level: Level) -> Meter | None:
        """The quota's meter, brought up to date; None where there is no quota."""
        with self._lock:
            if level.limit is None:
                self._remember_none(name)
                return None
            if len(self._meters) >= MANY and name not in self._meters:
                self._meters = {each: meter for each, meter in self._meters.items() if not meter.is_idle}
            meter = self._meters.setdefault(name, Meter(_words(name[1]), self._clock))
            meter.given()
        meter.seen(level)
        return meter

    def give_back(self, names: Iterable[Name], size: int) -> None:
        """An object of `size` bytes was removed, which counted in these."""
        with self._lock:
            known = [self._meters[name] for name in names if name in self._meters]
        for meter in known:
            meter.give_back(size)

    def _remember_none(self, name: Name) -> None:
        """In place of what is too old by now: with `multi_tenant` every image has containers of its own."""
        now = self._clock()
        if len(self._none_until) >= MANY:
            self._none_until = {each: until for each, until in self._none_until.items() if until > now}
        self._none_until[name] = now + self._age

    def _forked(self) -> None:
        self._meters = {}


class Quotas:
    """The quotas of one account."""

    def __init__(self, account: AccountClient, meters: Meters) -> None:
        self._account = account
        self._meters = meters

    def reserve(self, container: str, segments: str, size: int | None) -> Hold | None:
        """A hold on `size` bytes (None: unknown, it grows) in a container and its segments'; None without any quota.
        Raises StoreFull."""
        meters = self._look((container, segments))
        if not meters:
            return None
        hold = MeterHold(meters)
        hold.extend_to(size or 0)
        return hold

    def deleting(self, key: str) -> AbstractContextManager[None]:
        """Around the deletion of an object: one at a time."""
        return self._meters.deleting.of(self._name(key))

    def give_back(self, container: str, segments: str, size: int) -> None:
        """An object of `size` bytes was removed."""
        self._meters.give_back([self._name(each) for each in ("", container, segments)], size)

    def levels(self, container: str, segments: str) -> list[Level]:
        """Every quota that there is, as Swift says it now."""
        found = (*self._of_containers((container, segments)), self._of_account())
        return [level for _, level in found if level.limit is not None]

    def _look(self, pair: tuple[str, str]) -> list[Meter]:
        """The meters of the quotas that there are, brought up to date."""
        found: list[tuple[str, Level]] = []
        if not all(self._meters.none(self._name(each)) for each in pair):
            found += self._of_containers(pair)
        if not self._meters.none(self._name("")):
            found.append(self._of_account())
        meters = [self._meters.seen(self._name(name), level) for name, level in found]
        return [meter for meter in meters if meter is not None]

    def _name(self, container: str) -> Name:
        return self._account.url, container

    def _of_containers(self, pair: tuple[str, str]) -> Iterable[tuple[str, Level]]:
        container, segments = (self._container(name) for name in pair)
        yield pair[0], Level(_limit(container), _used(container) + _used(segments))
        yield pair[1], Level(_limit(segments), _used(segments))

    def _of_account(self) -> tuple[str, Level]:
        return "", _account_level(_told(self._account.head_account))

    def _container(self, name: str) -> Headers:
        return _told(lambda: self._account.head_container(name))


def _told(ask: Callable[[], Headers]) -> Headers:
    """The answer; nothing where there is no container yet, or where the user may not know, whom Swift itself holds to
    the quota."""
    try:
        return ask()
    except (errors.ObjectNotFound, Denied, errors.Forbidden):
        return {}


def _words(container: str) -> str:
    return f"container '{container}'" if container else "the account"


def _limit(headers: Headers) -> int | None:
    return number(headers, "x-container-meta-quota-bytes")


def _used(headers: Headers) -> int:
    return number(headers, "x-container-bytes-used") or 0


def _account_level(headers: Headers) -> Level:
    """Newer and older name of the quota; the lower one where both are set, as in Swift."""
    names = ("x-account-quota-bytes", "x-account-meta-quota-bytes")
    limits = [limit for name in names if (limit := number(headers, name)) is not None]
    return Level(min(limits, default=None), number(headers, "x-account-bytes-used") or 0)
