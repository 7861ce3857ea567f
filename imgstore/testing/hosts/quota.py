"""The contract for a host's quota: a hold, not a check; exact to the byte, for whoever comes at once."""

from __future__ import annotations

import itertools
from functools import partial
from typing import NamedTuple

import pytest

from imgstore import errors
from imgstore.model import Attempt, Location
from imgstore.testing.concurrency import at_once
from imgstore.testing.hosts.calls import Calls
from imgstore.testing.hosts.subjects import QuotaSubject

SECTION = "laws-of-a-quota"
OWNER = "project"
FAR_TOO_MUCH = 2**50
RACERS, FITTING = 4, 3
"""Those who come two by two pass what an odd number fits into."""

_numbers = itertools.count(1)


class Held(NamedTuple):
    """A hold, and the attempt that it is for."""

    attempt: Attempt
    hold: Calls


class QuotaBench:
    """`quota` does what is tested; `other` looks at it, as another process does: each change is there at once."""

    def __init__(self, subject: QuotaSubject) -> None:
        self.limit = subject.limit
        self.quota = Calls(subject.open(), SECTION)
        self.other = Calls(subject.open(), SECTION)

    def attempt(self, owner: str = OWNER) -> Attempt:
        """The first attempt at another image."""
        return Attempt(f"image-{next(_numbers)}", 1, owner, "raw", "bare", stores=("fast", "slow"))

    def reserve(
        self, size: int | None, *, owner: str = OWNER, attempt: Attempt | None = None, store: str = "fast"
    ) -> Held:  # fmt: skip
        """A hold of an attempt, or of a new one."""
        attempt = attempt or self.attempt(owner)
        hold = self.quota.value("reserve", attempt, store, size)
        for method in ("extend_to", "settle", "release"):
            complete = callable(getattr(hold, method, None))
            self.quota.must(be=complete, did=f"reserved {hold!r} without {method}", instead_of="a Hold")
        return Held(attempt, Calls(hold, SECTION))

    def settled(self, size: int, *, owner: str = OWNER) -> Held:
        """A stored object."""
        held = self.reserve(size, owner=owner)
        held.hold.returns(None, "settle", size)
        return held

    def give_back(self, held: Held, size: int, *, store: str = "fast") -> None:
        """The object of a hold was deleted."""
        location = Location(store, held.attempt.key, f"memory://{held.attempt.key}")
        self.quota.returns(None, "give_back", held.attempt.owner, location, size)

    def refuses(self, size: int, *, owner: str = OWNER) -> None:
        """No such hold is granted."""
        self.other.refuses(errors.QuotaExceeded, "reserve", self.attempt(owner), "fast", size)

    def assert_room(self, size: int, *, owner: str = OWNER) -> None:
        """Exactly so many bytes are left to the owner."""
        self.refuses(size + 1, owner=owner)
        hold = Calls(self.other.value("reserve", self.attempt(owner), "fast", size), SECTION)
        hold.returns(None, "release")


class QuotaContract:
    """Subclass it under a name that pytest collects and override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> QuotaSubject:
        """The quota under test; nothing is used."""
        raise NotImplementedError("name your subject: override the fixture `subject`")

    @pytest.fixture
    def bench(self, subject: QuotaSubject) -> QuotaBench:
        """What the tests work with."""
        return QuotaBench(subject)

    def test_limit_is_met_to_the_byte(self, bench: QuotaBench) -> None:
        bench.assert_room(bench.limit)
        bench.refuses(FAR_TOO_MUCH)
        bench.settled(bench.limit)
        bench.assert_room(0)

    def test_declared_size_is_held_before_its_bytes_arrive(self, bench: QuotaBench) -> None:
        bench.reserve(60)
        bench.reserve(30)
        bench.assert_room(bench.limit - 90)

    def test_unknown_size_is_held_as_it_grows(self, bench: QuotaBench) -> None:
        hold = bench.reserve(None).hold
        bench.assert_room(bench.limit)
        for total in (10, 10, 40, 25):
            hold.returns(None, "extend_to", total)
        bench.assert_room(bench.limit - 40)

    def test_hold_keeps_what_it_held_when_more_is_refused(self, bench: QuotaBench) -> None:
        for size in (None, 60):
            hold = bench.reserve(size).hold
            hold.returns(None, "extend_to", 60)
            hold.refuses(errors.QuotaExceeded, "extend_to", bench.limit + 1)
            bench.assert_room(bench.limit - 60)
            hold.returns(None, "extend_to", bench.limit)
            bench.assert_room(0)
            hold.returns(None, "release")

    def test_settlement_counts_what_was_stored(self, bench: QuotaBench) -> None:
        for size, actual in ((60, 60), (60, 20), (60, 0), (None, 30)):
            held = bench.reserve(size)
            held.hold.returns(None, "extend_to", actual)
            held.hold.returns(None, "settle", actual)
            bench.assert_room(bench.limit - actual)
            bench.give_back(held, actual)

    def test_release_gives_everything_back(self, bench: QuotaBench) -> None:
        for size in (60, None):
            hold = bench.reserve(size).hold
            hold.returns(None, "extend_to", 70)
            hold.returns(None, "release")
            bench.assert_room(bench.limit)

    def test_hold_ends_once(self, bench: QuotaBench) -> None:
        settled, released = bench.reserve(60).hold, bench.reserve(30).hold
        settled.returns(None, "settle", 50)
        released.returns(None, "release")
        for hold in (settled, released):
            hold.returns(None, "settle", 20)
            hold.returns(None, "release")
        bench.assert_room(bench.limit - 50)

    def test_deletion_gives_the_bytes_back(self, bench: QuotaBench) -> None:
        kept, deleted = bench.settled(60), bench.settled(30)
        bench.give_back(deleted, 30)
        bench.assert_room(bench.limit - 60)
        bench.give_back(kept, 60)
        bench.assert_room(bench.limit)

    def test_deletion_may_overtake_the_settlement(self, bench: QuotaBench) -> None:
        """The image is active for a moment before its hold is settled."""
        held = bench.reserve(60)
        bench.give_back(held, 60)
        held.hold.returns(None, "settle", 60)
        bench.assert_room(bench.limit)

    def test_owners_do_not_meet(self, bench: QuotaBench) -> None:
        full = bench.settled(bench.limit, owner="one")
        bench.assert_room(bench.limit, owner="another")
        bench.settled(50, owner="another")
        bench.give_back(full, bench.limit)
        bench.assert_room(bench.limit, owner="one")
        bench.assert_room(bench.limit - 50, owner="another")

    def test_each_store_of_an_attempt_counts(self, bench: QuotaBench) -> None:
        attempt = bench.attempt()
        fast, slow = (bench.reserve(40, attempt=attempt, store=store) for store in ("fast", "slow"))
        bench.assert_room(bench.limit - 80)
        fast.hold.returns(None, "release")
        slow.hold.returns(None, "settle", 40)
        bench.assert_room(bench.limit - 40)
        bench.give_back(slow, 40, store="slow")
        bench.assert_room(bench.limit)

    def test_those_who_come_at_once_fill_the_limit_and_do_not_pass_it(self, bench: QuotaBench) -> None:
        part, jobs = bench.limit // FITTING, []
        for number in range(RACERS * 2):
            side = (bench.quota, bench.other)[number % 2]
            jobs.append(partial(side.outcome, "reserve", bench.attempt(), "fast", part))
        outcomes = at_once(jobs)
        refused = sum(isinstance(outcome, errors.QuotaExceeded) for outcome in outcomes)
        bench.quota.must(
            be=len(jobs) - refused == FITTING,
            did=f"granted {len(jobs) - refused} holds of {part} bytes to threads",
            instead_of=f"the {FITTING} that {bench.limit} bytes have room for",
        )

    def test_holds_that_grow_at_once_fill_the_limit_and_do_not_pass_it(self, bench: QuotaBench) -> None:
        held, step = [bench.reserve(None) for _ in range(RACERS)], bench.limit // (2 * FITTING + 1)

        def grow(hold: Calls) -> int:
            total = 0
            while not isinstance(hold.outcome("extend_to", total + step), errors.QuotaExceeded):
                total += step
                bench.quota.must(
                    be=total <= bench.limit, did=f"extended a hold to {total} bytes", instead_of="refusing"
                )
            hold.returns(None, "settle", total)
            return total

        totals = [total for total in at_once([partial(grow, each.hold) for each in held]) if isinstance(total, int)]
        wanted = bench.limit // step * step
        did = f"let threads hold {totals} bytes, {sum(totals)} together"
        bench.quota.must(be=sum(totals) == wanted, did=did, instead_of=f"{wanted}")
