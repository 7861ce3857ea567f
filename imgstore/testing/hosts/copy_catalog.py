"""The contract for a host's table of images whose active images are copied to other stores."""

from __future__ import annotations

from functools import partial

import pytest

from imgstore import errors
from imgstore.model import Attempt, StoredImage
from imgstore.testing.concurrency import at_once
from imgstore.testing.hosts.catalog_bench import NOWHERE, CatalogBench, locations_of
from imgstore.testing.hosts.races_in_catalog import RACERS, ROUNDS, winners
from imgstore.testing.hosts.subjects import CopyCatalogSubject


class CopyBench(CatalogBench):
    """The bench of a catalog, with steps of copies. An image begins in the store `fast`."""

    def begin_copy(self, image_id: str, *stores: str) -> Attempt:
        """A copy under way to these stores, or to `slow`."""
        attempt, image = self._granted(image_id, *stores)
        now = self.found(image_id)
        self.catalog.must(
            be=(image.status, image.size) == ("active", now.size), did=f"gave {image!r} to copy", instead_of=f"{now!r}"
        )
        self.assert_locations(now, image.locations)
        return attempt

    def _granted(self, image_id: str, *stores: str) -> tuple[Attempt, StoredImage]:
        asked = list(stores or ["slow"])
        pair = self.catalog.gives(tuple, "begin_copy", image_id, asked, self.subject.caller)
        attempt, image = pair if len(pair) == 2 else (None, None)
        if not isinstance(attempt, Attempt) or not isinstance(image, StoredImage):
            self.catalog.fail(f"gave {pair!r} to copy", "an Attempt and its StoredImage")
        self.catalog.must(
            be=list(attempt.stores) == asked, did=f"began with other stores {attempt.stores!r}", instead_of=repr(asked)
        )
        return attempt, image

    def refuses_copy(self, kind: type[errors.ImgstoreError], image_id: str, *stores: str) -> None:
        """No copy to these stores, or to `slow`, begins."""
        self.catalog.refuses(kind, "begin_copy", image_id, list(stores or ["slow"]), self.subject.caller)

    def add(self, attempt: Attempt, *stores: str) -> None:
        """The copy wins, with data in these stores, or in all of its own."""
        self.catalog.returns(None, "add_locations", attempt, locations_of(attempt, *stores))

    def assert_copied(self, before: StoredImage, *copies: tuple[Attempt, str]) -> None:
        """The image is what it was, and also where these copies put it."""
        now = self.assert_status(before.image_id, "active")
        same = (now.size, now.hash_algo, now.hash_value) == (before.size, before.hash_algo, before.hash_value)
        self.other.must(be=same, did=f"changed the image to {now!r}", instead_of=f"{before!r}")
        added = [location for attempt, store in copies for location in locations_of(attempt, store)]
        self.assert_locations(now, [*before.locations, *added])


class CopyCatalogContract:
    """Subclass it under a name that pytest collects and override the fixture `subject`; run `CatalogContract`, too."""

    @pytest.fixture
    def subject(self) -> CopyCatalogSubject:
        """The table under test, empty."""
        raise NotImplementedError("name your subject: override the fixture `subject`")

    @pytest.fixture
    def bench(self, subject: CopyCatalogSubject) -> CopyBench:
        """What the tests work with."""
        return CopyBench(subject)

    def test_copy_adds_locations_and_leaves_all_else_as_it_was(self, bench: CopyBench) -> None:
        before = bench.found(bench.active())
        attempt = bench.begin_copy(before.image_id, "slow", "far")
        bench.assert_copied(before)
        bench.add(attempt)
        bench.assert_copied(before, (attempt, "slow"), (attempt, "far"))

    def test_copy_adds_no_location_of_a_store_that_was_left_out(self, bench: CopyBench) -> None:
        before = bench.found(bench.active())
        attempt = bench.begin_copy(before.image_id, "slow", "far")
        bench.add(attempt, "far")
        bench.assert_copied(before, (attempt, "far"))
        again = bench.begin_copy(before.image_id, "slow")
        bench.add(again)
        bench.assert_copied(before, (attempt, "far"), (again, "slow"))

    def test_released_copy_leaves_the_image_as_it_was(self, bench: CopyBench) -> None:
        before = bench.found(bench.active())
        for unremoved in ((), ("slow",)):
            bench.catalog.returns(True, "release", bench.begin_copy(before.image_id), list(unremoved))
            bench.assert_copied(before)

    def test_copies_and_uploads_never_share_a_key(self, bench: CopyBench) -> None:
        before = bench.found(bench.active())
        keys = [location.key for location in before.locations]
        for store in ("slow", "far", "slow"):
            attempt = bench.begin_copy(before.image_id, store)
            keys.append(attempt.key)
            bench.catalog.returns(True, "release", attempt)
        unique = len(set(keys)) == len(keys)
        bench.catalog.must(be=unique, did=f"gave attempts at one image the keys {keys}", instead_of="one each")

    def test_image_that_is_not_there_is_not_copied(self, bench: CopyBench) -> None:
        deleted = bench.active()
        bench.subject.delete(deleted)
        for image_id in (NOWHERE, deleted):
            bench.refuses_copy(errors.ImageNotFound, image_id)

    def test_only_active_images_are_copied(self, bench: CopyBench) -> None:
        queued, saving = bench.subject.create(), bench.begun()
        for image_id in (queued, saving.image_id):
            bench.refuses_copy(errors.ImageConflict, image_id)
        bench.assert_queued(queued)
        bench.activate(saving)
        bench.assert_active(saving)

    def test_store_that_has_the_image_is_told(self, bench: CopyBench) -> None:
        before = bench.found(bench.active("fast", "slow"))
        for stores in (("slow",), ("far", "fast")):
            bench.refuses_copy(errors.AlreadyInStore, before.image_id, *stores)
        bench.assert_copied(before)
        bench.add(bench.begin_copy(before.image_id, "far"))

    def test_one_copy_of_an_image_at_a_time(self, bench: CopyBench) -> None:
        before = bench.found(bench.active())
        attempt = bench.begin_copy(before.image_id)
        bench.refuses_copy(errors.ImageConflict, before.image_id, "far")
        for certain in (False, True):
            bench.catalog.returns(None, "confirm", attempt, certain=certain)
        bench.add(attempt)
        bench.assert_copied(before, (attempt, "slow"))

    def test_copy_ends_once(self, bench: CopyBench) -> None:
        before = bench.found(bench.active())
        released = bench.begin_copy(before.image_id)
        bench.catalog.returns(True, "release", released)
        added = bench.begin_copy(before.image_id)
        bench.catalog.refuses(errors.ImageGone, "add_locations", released, locations_of(released))
        bench.catalog.returns(False, "release", released)
        bench.add(added)
        for ended in (released, added):
            bench.catalog.refuses(errors.ImageGone, "add_locations", ended, locations_of(ended))
            bench.catalog.returns(False, "release", ended)
        bench.assert_copied(before, (added, "slow"))

    def test_image_deleted_during_its_copy_never_comes_back(self, bench: CopyBench) -> None:
        attempt = bench.begin_copy(bench.active())
        bench.subject.delete(attempt.image_id)
        bench.catalog.refuses(errors.ImageGone, "add_locations", attempt, locations_of(attempt))
        bench.catalog.gives(bool, "release", attempt)
        bench.assert_gone(attempt.image_id)

    def test_one_of_many_begins_a_copy(self, bench: CopyBench) -> None:
        for _ in range(ROUNDS):
            before = bench.found(bench.active())
            sides = [bench.catalog, bench.other] * (RACERS // 2)
            given = ("begin_copy", before.image_id, ["slow"], bench.subject.caller)
            ((attempt, _),) = winners(bench, [partial(side.outcome, *given) for side in sides], errors.ImageConflict)
            bench.add(attempt)
            bench.assert_copied(before, (attempt, "slow"))

    def test_addition_and_release_have_one_outcome(self, bench: CopyBench) -> None:
        for _ in range(ROUNDS):
            before = bench.found(bench.active())
            attempt = bench.begin_copy(before.image_id)
            add = partial(bench.catalog.outcome, "add_locations", attempt, locations_of(attempt))
            release = partial(bench.other.outcome, "release", attempt)
            (won,) = winners(bench, [add, release, release, add], errors.ImageGone)
            bench.assert_copied(before, *([] if won is True else [(attempt, "slow")]))

    def test_addition_and_deletion_have_one_outcome(self, bench: CopyBench) -> None:
        for _ in range(ROUNDS):
            attempt = bench.begin_copy(bench.active())
            add = partial(bench.catalog.outcome, "add_locations", attempt, locations_of(attempt))
            outcome = at_once([partial(bench.subject.delete, attempt.image_id), add])[1]
            if not isinstance(outcome, (errors.ImageGone, type(None))):
                bench.catalog.fail(f"answered {outcome!r} to a copy whose image is deleted meanwhile", "ImageGone")
            bench.assert_gone(attempt.image_id)
