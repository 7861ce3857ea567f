"""How the contract breaks the requests of an operation in turn: what it does to them, and what came of it.

The operation runs once unbroken, and its requests are noted. Then it runs once for each of them and each kind of fault,
with exactly that request broken. The last request is also left without an answer, once, by a driver that waits shortly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import pytest

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import ClearsLeftovers
from imgstore.testing.bench import KEY, KEYS, Bench
from imgstore.testing.faults import (
    ChangeHeaders,
    CutAnswer,
    CutRequest,
    DropAnswer,
    Fault,
    FaultProxy,
    NoAnswer,
    Reset,
    Respond,
    Seen,
)
from imgstore.testing.leftovers import purge

A = TypeVar("A", bound=Callable[[], object])
"""An operation, which keeps what came of it."""
Prepare = Callable[[StoreDriver], A]
"""Makes ready what an operation needs, with no request broken, and returns the operation."""

PATIENT, IMPATIENT, HUNG = 20.0, 0.1, 20.0
"""Seconds for which a driver waits for an answer: normally, and where none comes; and how long none comes."""
LONGER = (1, 4, 16)
"""How many times as long the impatient drivers wait that try one after the other."""
STATUSES = (500, 503, 429)


@dataclass(frozen=True)
class Break:
    """One request of an operation, counted from 0, and what happens to it."""

    number: int
    happens: str
    fault: Fault


@dataclass(frozen=True)
class Outcome(Generic[A]):
    """How the operation `act` ended. `again` is the driver for the next try. `story` says what was broken, for the text
    of a failure."""

    act: A
    again: StoreDriver
    story: str
    error: errors.StoreUnavailable | None = None


def breaks(requests: Sequence[Seen], *, every: bool = True) -> Iterator[Break]:
    """All faults of all requests; without `every` two of each: its answer is lost, and another one in turn."""
    for number, seen in enumerate(requests):
        yield Break(number, "was done, and its answer was lost", DropAnswer())
        others = [Break(number, happens, fault) for happens, fault in _others(seen, requests)]
        yield from others if every else [others[(number + len(requests)) % len(others)]]


def _others(seen: Seen, requests: Sequence[Seen]) -> Iterator[tuple[str, Fault]]:
    """A cut is where each request can have it, since those of several threads come in any order."""
    if "etag" in seen.answer_headers:
        yield "was answered with another ETag", ChangeHeaders({"ETag": f'"{"0" * 32}"'})
    if seen.sent:
        yield "was answered by half a body", CutAnswer(min(each.sent for each in requests if each.sent) // 2)
    if seen.received:
        received = min(each.received for each in requests if each.received)
        yield "was cut in its body", CutRequest(received // 2)
    for status in STATUSES:
        yield f"was answered {status}", Respond(status, b"broken on purpose")
    yield "was reset", Reset()


class Interrupter:
    """A proxy before the subject's server, and drivers that reach the server through it alone."""

    def __init__(self, bench: Bench) -> None:
        self.server = bench.subject.server()
        self._bench = bench
        self._impatient: dict[int, StoreDriver] = {}
        self._hit: list[Seen] = []
        self._others: list[Seen] = []

    @functools.cached_property
    def proxy(self) -> FaultProxy:
        """It runs as long as the bench."""
        return self._bench.enter(FaultProxy(self.server or ""))

    @functools.cached_property
    def patient(self) -> StoreDriver:
        """Waits as long as a busy machine takes."""
        return self.driver(timeout=PATIENT)

    def impatient(self, times: int) -> StoreDriver:
        """Gives up soon, after so many times IMPATIENT."""
        if times not in self._impatient:
            self._impatient[times] = self.driver(timeout=times * IMPATIENT)
        return self._impatient[times]

    def driver(self, *, timeout: float = PATIENT) -> StoreDriver:
        """One more driver."""
        return self._bench.through(self.proxy, timeout)

    def outcomes(self, prepare: Prepare[A], *, new_driver: bool = False, asks: bool = True) -> Iterator[Outcome[A]]:
        """The operation with each of its requests broken in each way; the first outcome is of the unbroken one. None
        where the drivers talk to no server. `new_driver`: each time, so that what it asks at first is broken too.
        `asks`: the operation must ask the server at all."""
        if self.server is None:
            return
        act = prepare(self._one(new=new_driver))
        requests = self.requests_of(act)
        if asks and not requests:
            pytest.fail("No request of the driver passed the proxy: `through` must lead all of them there")
        yield Outcome(act, self.patient, "nothing was broken")
        for each in breaks(requests, every=self._bench.subject.every_fault):
            yield self._broken(prepare(self._one(new=new_driver)), each, requests)
        if requests:
            yield from self._hung(prepare, requests)

    def _one(self, *, new: bool) -> StoreDriver:
        return self.driver() if new else self.patient

    def _hung(self, prepare: Prepare[A], requests: Sequence[Seen]) -> Iterator[Outcome[A]]:
        """Nothing is said of a try in which the driver gave up another request than the broken one: on a busy machine
        that one may be carried out later than its undo. Then a driver tries that waits longer. Of the last one's try
        everything is said: it waits so long that to give up others is its own way."""
        last = Break(len(requests) - 1, "was never answered", NoAnswer(HUNG))
        for times in LONGER:
            before = set(self._bench.committed)
            outcome = self._tried(prepare, last, requests, times)
            gave_up_others = any(seen.given_up for seen in self._others)
            if outcome is not None and (times == LONGER[-1] or not gave_up_others):
                yield self._expect_given_up(outcome)
                return
            forget(self._bench, before)

    def _tried(self, prepare: Prepare[A], last: Break, requests: Sequence[Seen], times: int) -> Outcome[A] | None:
        try:
            act = prepare(self.impatient(times))
        except errors.StoreUnavailable:
            return None
        return self._broken(act, last, requests)

    def _expect_given_up(self, outcome: Outcome[A]) -> Outcome[A]:
        if not all(seen.given_up for seen in self._hit):
            pytest.fail(f"The driver waited {HUNG:g} seconds and would have waited longer, where {outcome.story}")
        return outcome

    def requests_of(self, act: Callable[[], object]) -> list[Seen]:
        """Those that pass the proxy while an operation is done."""
        self.proxy.wait_until_quiet()
        before = len(self.proxy.requests)
        act()
        self.proxy.wait_until_idle()
        return self.proxy.requests[before:]

    def _broken(self, act: A, broken: Break, requests: Sequence[Seen]) -> Outcome[A]:
        seen = requests[broken.number]
        story = f"request {broken.number + 1} of {len(requests)}, {seen.method} {seen.path}, {broken.happens}"
        errors_told: list[errors.StoreUnavailable] = []
        self.proxy.wait_until_quiet()
        rule = self.proxy.on(broken.fault, skip=broken.number)
        came = self.requests_of(lambda: errors_told.extend(self._error_of(act, story)))
        self._hit = rule.hit
        self._others = [seen for seen in came if not any(seen is each for each in self._hit)]
        self.proxy.heal()
        return Outcome(act, self.patient, story, *errors_told)

    def _error_of(self, act: Callable[[], object], story: str) -> Iterator[errors.StoreUnavailable]:
        try:
            act()
        except errors.StoreUnavailable as error:
            self._bench.assert_discreet(error)
            yield error
        except Exception as error:
            told = f"{type(error).__name__} was raised instead of StoreUnavailable"
            raise pytest.fail.Exception(f"{told}, where {story}") from error


def forget(bench: Bench, before: Collection[str]) -> None:
    """Makes good what a try did of which nothing is said. `before`: the keys that had objects before it."""
    keys = (KEY, KEYS[0])
    for key in keys:
        is_there = bench.exists(bench.other, key)
        if not (key in before and is_there):
            bench.committed.pop(key, None)
        if is_there and key not in bench.committed:
            bench.other.delete(key)
    for key in keys:
        clear(bench, key)


def clear(bench: Bench, key: str = KEY) -> None:
    """Removes what a driver said that it left under `key`, as a host does: an object, and what else is there."""
    if isinstance(bench.other, ClearsLeftovers):
        bench.other.clear_leftovers(key)
    if key not in bench.committed and bench.exists(bench.other, key):
        bench.other.delete(key)
    purge(bench, bench.committed)
