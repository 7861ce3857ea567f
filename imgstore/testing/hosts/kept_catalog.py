"""The contract for a host's table of images whose dead uploads are recovered: leases, removals, standings."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pytest

from imgstore import errors
from imgstore.model import Attempt, DeadAttempt, Removal, Standing
from imgstore.testing.hosts.calls import shown
from imgstore.testing.hosts.catalog_bench import NOWHERE, CatalogBench, result
from imgstore.testing.hosts.races_in_catalog import RACERS, ROUNDS, winners
from imgstore.testing.hosts.subjects import KeptCatalogSubject

SECTION = "laws-of-a-catalog-that-is-recovered"
STORES = ("fast", "slow")


class KeptBench(CatalogBench):
    """The bench of a catalog, with steps of recovery."""

    SECTION = SECTION

    def __init__(self, subject: KeptCatalogSubject) -> None:
        super().__init__(subject)
        self._expire = subject.expire

    def expire(self, attempt: Attempt) -> DeadAttempt:
        """The lease of an attempt ran out; how the catalog tells of it."""
        self._expire(attempt)
        found = [dead for dead in self.expired() if dead.attempt.image_id == attempt.image_id]
        if [dead.attempt.number for dead in found] != [attempt.number]:
            self.catalog.fail(f"told of {found!r} as dead", f"attempt {attempt.number} of {attempt.image_id!r}")
        return found[0]

    def dead(self, *stores: str) -> tuple[Attempt, DeadAttempt]:
        """An upload whose lease ran out."""
        attempt = self.begun(*(stores or STORES))
        return attempt, self.expire(attempt)

    def expired(self) -> list[DeadAttempt]:
        """All attempts whose lease ran out."""
        return list(self.other.value("expired"))

    def assert_lost(self, attempts: Iterable[Attempt], *lost: Attempt) -> None:
        """Of these attempts, those are told that they lost their image when they renew their leases."""
        asked = list(attempts)
        told = sorted(map(shown, self.catalog.value("renew", asked)))
        wanted = sorted(map(shown, lost))
        self.catalog.must(be=told == wanted, did=f"renewed leases, and called {told} lost", instead_of=f"{wanted}")

    def renews(self, attempt: Attempt) -> bool:
        """Whether the attempt got another lease."""
        return not list(self.catalog.value("renew", [attempt]))

    def removals(self, image_id: str) -> list[Removal]:
        """What is still to be removed of an image."""
        return list(self.other.value("removals", image_id))

    def assert_removals(self, attempt: Attempt, *stores: str) -> None:
        """The object of this attempt in each of these stores is still to be removed, and nothing else of its image."""
        told = sorted((each.store, each.key) for each in self.removals(attempt.image_id))
        wanted = sorted((store, attempt.key) for store in stores)
        self.other.must(be=told == wanted, did=f"has the removals {told}", instead_of=f"{wanted}")
        everything = [each.key for each in self.other.value("removals")].count(attempt.key)
        self.other.must(be=everything == len(stores), did=f"lists {everything} removals of all", instead_of=f"{wanted}")

    def standing(self, store: str, key: str, *wanted: Standing) -> None:
        """What the catalog knows of an object is one of these."""
        told = self.other.value("standings", store, [key, "somebody-elses"])
        if told.get(key) not in wanted or told.get("somebody-elses") is not Standing.UNKNOWN:
            names = " or ".join(each.name for each in wanted)
            self.other.fail(f"says of {key!r} in {store!r}: {told!r}", f"{names}, and UNKNOWN of somebody else's")


class LeaseLaws:
    """A living attempt keeps its image, and a dead one is found."""

    def test_attempt_under_way_is_not_dead(self, bench: KeptBench) -> None:
        attempt = bench.begun()
        for renewed in ([attempt], []):
            bench.assert_lost(renewed)
        found = bench.expired()
        bench.catalog.must(be=not found, did=f"told of {found!r} as dead", instead_of="nothing: its lease has begun")
        lease = getattr(bench.catalog.thing, "lease", None)
        is_time = isinstance(lease, (int, float)) and lease > 0
        bench.catalog.must(be=is_time, did=f"has the lease {lease!r}", instead_of="a number of seconds")

    def test_lease_that_ran_out_is_told_with_its_stores(self, bench: KeptBench) -> None:
        living, (attempt, dead) = bench.begun(), bench.dead("fast", "slow", "far")
        stores = tuple(dead.attempt.stores)
        bench.catalog.must(be=stores == attempt.stores, did=f"told of {stores!r}", instead_of=f"{attempt.stores!r}")
        found = [each.attempt.image_id for each in bench.expired()]
        bench.catalog.must(be=living.image_id not in found, did="told of a living attempt as dead", instead_of="not")

    def test_attempt_that_ended_is_not_dead(self, bench: KeptBench) -> None:
        activated, released = bench.begun(), bench.begun()
        deads = [bench.expire(activated), bench.expire(released)]
        bench.activate(activated)
        bench.catalog.returns(True, "release", released)
        found = bench.expired()
        bench.catalog.must(be=not found, did=f"told of {found!r} as dead", instead_of="nothing: they ended")
        for dead in deads:
            bench.other.returns(False, "take_back", dead)
        bench.assert_active(activated)
        bench.assert_queued(released.image_id)
        bench.assert_removals(activated)
        bench.assert_removals(released)

    def test_renewal_that_comes_late_keeps_the_image(self, bench: KeptBench) -> None:
        attempt, dead = bench.dead()
        bench.assert_lost([attempt])
        bench.other.returns(False, "take_back", dead)
        bench.catalog.returns(None, "confirm", attempt)
        bench.activate(attempt)
        bench.assert_active(attempt)
        bench.assert_removals(attempt)

    def test_renewal_tells_which_attempts_lost_their_image(self, bench: KeptBench) -> None:
        kept, activated, released, (taken, dead) = bench.begun(), bench.begun(), bench.begun(), bench.dead()
        deleted = bench.begun()
        bench.subject.delete(deleted.image_id)
        bench.activate(activated)
        bench.catalog.returns(True, "release", released)
        bench.other.returns(True, "take_back", dead)
        again = bench.begin(taken.image_id)
        bench.assert_lost([kept, activated, released, taken, deleted, again], activated, released, taken, deleted)


class TakingBackLaws:
    """A dead attempt is taken back once, and whatever it may have left is to be removed."""

    def test_image_of_a_dead_attempt_is_queued_and_its_data_to_be_removed(self, bench: KeptBench) -> None:
        attempt, dead = bench.dead()
        bench.other.returns(True, "take_back", dead)
        bench.assert_queued(attempt.image_id)
        bench.assert_removals(attempt, *STORES)
        retry = bench.begin(attempt.image_id)
        bench.catalog.must(
            be=retry.key != attempt.key, did="gave the key of a dead attempt again", instead_of="another"
        )
        bench.activate(retry)
        bench.assert_active(retry)
        bench.assert_removals(attempt, *STORES)

    def test_dead_attempt_is_taken_back_once(self, bench: KeptBench) -> None:
        attempt, dead = bench.dead()
        bench.other.returns(True, "take_back", dead)
        bench.catalog.returns(False, "take_back", dead)
        bench.begin(attempt.image_id)
        bench.catalog.returns(False, "take_back", dead)
        bench.assert_status(attempt.image_id, "saving")
        bench.assert_removals(attempt, *STORES)

    def test_attempt_that_comes_back_owns_nothing(self, bench: KeptBench) -> None:
        zombie, dead = bench.dead()
        bench.other.returns(True, "take_back", dead)
        winner = bench.begin(zombie.image_id)
        bench.catalog.refuses(errors.ImageGone, "confirm", zombie)
        bench.catalog.refuses(errors.ImageGone, "activate", zombie, result(zombie))
        bench.catalog.returns(False, "release", zombie)
        bench.activate(winner)
        bench.assert_active(winner)

    def test_image_deleted_under_a_dead_attempt_stays_deleted(self, bench: KeptBench) -> None:
        attempt = bench.begun()
        bench.subject.delete(attempt.image_id)
        bench._expire(attempt)
        for dead in bench.expired():
            bench.other.gives(bool, "take_back", dead)
        bench.assert_gone(attempt.image_id)
        bench.assert_removals(attempt, "fast")

    def test_one_of_many_takes_a_lease_back(self, bench: KeptBench) -> None:
        for _ in range(ROUNDS):
            attempt, dead = bench.dead()
            sides = [bench.catalog, bench.other] * (RACERS // 2)
            winners(bench, [partial(side.outcome, "take_back", dead) for side in sides], errors.ImageGone)
            bench.assert_removals(attempt, *STORES)

    def test_recovery_and_the_owner_have_one_outcome(self, bench: KeptBench) -> None:
        for number in range(2 * ROUNDS):
            attempt, dead = bench.dead()
            own = (
                partial(bench.catalog.outcome, "activate", attempt, result(attempt)),
                partial(bench.catalog.outcome, "release", attempt),
                partial(bench.renews, attempt),
            )[number % 3]
            take_back = partial(bench.other.outcome, "take_back", dead)
            winners(bench, [own, take_back, take_back], errors.ImageGone)
            status = bench.found(attempt.image_id).status
            if status == "active":
                bench.assert_active(attempt)
            if status != "queued":
                bench.assert_removals(attempt)


class RemovalLaws:
    """What is still to be removed is on record until it is gone, and nothing else is."""

    def test_stores_that_failed_are_on_record(self, bench: KeptBench) -> None:
        failed, partly, whole = (bench.begun(*STORES) for _ in range(3))
        bench.catalog.returns(True, "release", failed, ["slow"])
        bench.activate(partly, "fast")
        bench.activate(whole)
        bench.assert_removals(failed, "slow")
        bench.assert_removals(partly, "slow")
        bench.assert_removals(whole)

    def test_removal_is_forgotten_when_its_object_is_gone(self, bench: KeptBench) -> None:
        attempt, dead = bench.dead()
        other = bench.begun(*STORES)
        bench.catalog.returns(True, "release", other, STORES)
        bench.other.returns(True, "take_back", dead)
        first, second = bench.removals(attempt.image_id)
        for _ in range(2):
            bench.catalog.returns(None, "removed", first)
        bench.assert_removals(attempt, second.store)
        bench.catalog.returns(None, "removed", second)
        bench.assert_removals(attempt)
        bench.assert_removals(other, *STORES)

    def test_removal_that_is_told_again_takes_no_images_data(self, bench: KeptBench) -> None:
        attempt, dead = bench.dead("fast")
        bench.other.returns(True, "take_back", dead)
        (removal,) = bench.removals(attempt.image_id)
        bench.catalog.returns(None, "removed", removal)
        later = bench.begun()
        bench.activate(later)
        bench.other.returns(None, "removed", removal)  # by a process that was stopped meanwhile
        bench.assert_active(later)


class StandingLaws:
    """What purge may remove: never an image's data, and never what the catalog does not know."""

    def test_objects_are_known_by_what_became_of_their_attempts(self, bench: KeptBench) -> None:
        active, saving, released, (taken, dead) = bench.begun(), bench.begun(), bench.begun(), bench.dead()
        bench.activate(active)
        bench.catalog.returns(True, "release", released)
        bench.other.returns(True, "take_back", dead)
        for attempt, standing in (
            (active, Standing.LIVE),
            (saving, Standing.UNDER_WAY),
            (released, Standing.DEAD),
            (taken, Standing.REMOVING),
        ):
            bench.standing("fast", attempt.key, standing)
        bench.standing("fast", bench.subject.create(), Standing.UNKNOWN)
        bench.standing("fast", NOWHERE, Standing.UNKNOWN)
        bench.standing("fast", f"{active.image_id}.7", Standing.UNKNOWN)

    def test_image_that_is_uploaded_again_keeps_its_former_attempts_apart(self, bench: KeptBench) -> None:
        lost = bench.begun()
        bench.catalog.returns(True, "release", lost)
        winner = bench.begin(lost.image_id)
        bench.standing("fast", lost.key, Standing.DEAD)
        bench.standing("fast", winner.key, Standing.UNDER_WAY)
        bench.activate(winner)
        bench.standing("fast", lost.key, Standing.DEAD)
        bench.standing("fast", winner.key, Standing.LIVE)

    def test_data_of_a_deleted_image_is_no_images(self, bench: KeptBench) -> None:
        attempt = bench.begun()
        bench.activate(attempt)
        bench.subject.delete(attempt.image_id)
        bench.standing("fast", attempt.key, Standing.REMOVING, Standing.DEAD, Standing.UNKNOWN)


class RecoversCopies:
    """For catalogs whose images are copied to other stores: adopt it beside `KeptCatalogContract`."""

    def test_dead_copy_is_taken_back_and_its_image_stays_active(self, bench: KeptBench) -> None:
        first = bench.begun()
        bench.activate(first)
        copy, _ = bench.catalog.value("begin_copy", first.image_id, ["slow", "far"], bench.subject.caller)
        bench.standing("slow", copy.key, Standing.UNDER_WAY)
        bench.other.returns(True, "take_back", bench.expire(copy))
        bench.assert_active(first)
        bench.assert_removals(copy, "slow", "far")
        bench.assert_lost([copy], copy)


class KeptCatalogContract(LeaseLaws, TakingBackLaws, RemovalLaws, StandingLaws):
    """Subclass it under a name that pytest collects and override the fixture `subject`; run `CatalogContract` with
    `ConfirmsOwnership`, too."""

    @pytest.fixture
    def subject(self) -> KeptCatalogSubject:
        """The table under test, empty."""
        raise NotImplementedError("name your subject: override the fixture `subject`")

    @pytest.fixture
    def bench(self, subject: KeptCatalogSubject) -> KeptBench:
        """What the tests work with."""
        return KeptBench(subject)
