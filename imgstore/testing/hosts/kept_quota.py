"""The contract for a quota whose holds outlive their process: recovery finds them, and ends them once."""

from __future__ import annotations

import pytest

from imgstore import errors
from imgstore.hosting import ObjectId
from imgstore.testing.hosts.quota import Held, QuotaBench
from imgstore.testing.hosts.subjects import KeptQuotaSubject


class KeptQuotaBench(QuotaBench):
    """The bench of a quota, with steps of recovery."""

    def __init__(self, subject: KeptQuotaSubject) -> None:
        super().__init__(subject)
        self._expire = subject.expire

    def dead(self, size: int | None) -> Held:
        """A hold whose process died."""
        held = self.reserve(size)
        self._expire(object_of(held))
        return held

    def assert_listed(self, method: str, *held: Held) -> None:
        """`held` or `expired` names exactly these holds."""
        told = sorted((each.store, each.key) for each in self.other.value(method))
        wanted = sorted((object_id.store, object_id.key) for object_id in map(object_of, held))
        self.other.must(be=told == wanted, did=f"lists {told} as {method}", instead_of=f"{wanted}")

    def twice(self, method: str, *given: object) -> None:
        """A step of recovery, which may come twice; what it returns is not looked at."""
        for side in (self.other, self.quota):
            side.value(method, *given)


def object_of(held: Held, store: str = "fast") -> ObjectId:
    """Names the object of a hold."""
    return ObjectId(store, held.attempt.key)


class KeptQuotaContract:
    """Subclass it under a name that pytest collects and override the fixture `subject`; run `QuotaContract`, too."""

    @pytest.fixture
    def subject(self) -> KeptQuotaSubject:
        """The quota under test; nothing is used."""
        raise NotImplementedError("name your subject: override the fixture `subject`")

    @pytest.fixture
    def bench(self, subject: KeptQuotaSubject) -> KeptQuotaBench:
        """What the tests work with."""
        return KeptQuotaBench(subject)

    def test_holds_are_listed_until_they_end(self, bench: KeptQuotaBench) -> None:
        declared, growing, settled, released = (bench.reserve(size) for size in (10, None, 20, 30))
        growing.hold.returns(None, "extend_to", 5)
        settled.hold.returns(None, "settle", 20)
        released.hold.returns(None, "release")
        bench.assert_listed("held", declared, growing)
        bench.assert_listed("expired")

    def test_holds_of_dead_processes_are_told(self, bench: KeptQuotaBench) -> None:
        living, dead = bench.reserve(10), bench.dead(20)
        bench.assert_listed("expired", dead)
        bench.assert_listed("held", living, dead)
        bench.assert_room(bench.limit - 30)

    def test_hold_of_an_attempt_that_won_becomes_its_usage(self, bench: KeptQuotaBench) -> None:
        held = bench.dead(60)
        bench.twice("settle", object_of(held), 50)
        self._assert_ended(bench, held, used=50)
        bench.give_back(held, 50)
        bench.assert_room(bench.limit)

    def test_hold_of_an_attempt_that_lost_is_given_back(self, bench: KeptQuotaBench) -> None:
        for size in (60, None):
            held = bench.dead(size)
            bench.twice("release", object_of(held))
            held.hold.refuses(errors.ImageGone, "extend_to", bench.limit // 2)
            self._assert_ended(bench, held, used=0)

    def test_object_that_is_gone_counts_no_more(self, bench: KeptQuotaBench) -> None:
        held, used, kept = bench.dead(60), bench.settled(30), bench.settled(10)
        for each in (held, used):
            bench.twice("forget", object_of(each))
        self._assert_ended(bench, held, used=10)
        bench.give_back(used, 30)
        bench.assert_room(bench.limit - 10)
        bench.give_back(kept, 10)

    def test_step_for_what_is_not_there_does_nothing(self, bench: KeptQuotaBench) -> None:
        living = bench.reserve(60)
        nobody = ObjectId("fast", bench.attempt().key)
        bench.twice("settle", nobody, 20)
        bench.twice("release", nobody)
        bench.twice("forget", nobody)
        bench.twice("release", object_of(living, "slow"))
        bench.assert_listed("held", living)
        bench.assert_room(bench.limit - 60)

    def _assert_ended(self, bench: KeptQuotaBench, held: Held, *, used: int) -> None:
        """The hold is over, and its process, which lives after all, changes nothing any more."""
        bench.assert_listed("held")
        bench.assert_listed("expired")
        bench.assert_room(bench.limit - used)
        held.hold.returns(None, "settle", 1)
        held.hold.returns(None, "release")
        bench.assert_room(bench.limit - used)
