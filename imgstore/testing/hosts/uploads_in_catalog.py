"""How an upload begins and ends in a catalog."""

from __future__ import annotations

from imgstore import errors
from imgstore.testing.hosts.catalog_bench import LARGE, NOWHERE, CatalogBench, result

STORES = ("fast", "slow", "far")


class UploadLaws:
    """What `begin`, `activate`, `release` and `find` make of an image."""

    def test_image_without_data_is_queued(self, bench: CatalogBench) -> None:
        bench.assert_queued(bench.subject.create())

    def test_begin_grants_what_was_asked_for(self, bench: CatalogBench) -> None:
        image_id = bench.subject.create()
        attempt = bench.begin(image_id, *STORES)
        for field, has, wanted in (
            ("another image", attempt.image_id, image_id),
            ("other stores", tuple(attempt.stores), STORES),
            ("a number", attempt.number > 0, True),
            ("an owner, whose quota counts the image,", bool(attempt.owner), True),
        ):
            bench.catalog.must(be=has == wanted, did=f"began with {field} {has!r}", instead_of=repr(wanted))
        bench.assert_status(image_id, "saving")

    def test_activation_makes_the_image_active_with_its_data(self, bench: CatalogBench) -> None:
        for size in (0, 5, LARGE):
            attempt = bench.begun()
            bench.activate(attempt, size=size)
            bench.assert_active(attempt, size=size)

    def test_activation_adds_the_locations_that_it_got(self, bench: CatalogBench) -> None:
        """All of them at once; a store of the attempt may have been left out."""
        whole, partly = bench.begun(*STORES), bench.begun(*STORES)
        bench.activate(whole)
        bench.activate(partly, "fast", "far")
        bench.assert_active(whole)
        bench.assert_active(partly, "fast", "far")

    def test_release_gives_the_image_back_for_a_retry(self, bench: CatalogBench) -> None:
        for unremoved in ((), ("fast",)):
            attempt = bench.begun()
            bench.catalog.returns(True, "release", attempt, list(unremoved))
            bench.assert_queued(attempt.image_id)
            retry = bench.begin(attempt.image_id)
            bench.activate(retry)
            bench.assert_active(retry)

    def test_attempts_never_share_a_key(self, bench: CatalogBench) -> None:
        image_id, keys = bench.subject.create(), []
        for _ in range(4):
            attempt = bench.begin(image_id)
            keys.append(attempt.key)
            bench.catalog.returns(True, "release", attempt)
        unique = len(set(keys)) == len(keys)
        bench.catalog.must(be=unique, did=f"gave attempts at one image the keys {keys}", instead_of="one each")

    def test_image_that_is_not_there_is_not_found(self, bench: CatalogBench) -> None:
        deleted = bench.subject.create()
        bench.subject.delete(deleted)
        for image_id in (NOWHERE, deleted):
            bench.catalog.refuses(errors.ImageNotFound, "begin", bench.upload_of(image_id), ["fast"])
            bench.catalog.refuses(errors.ImageNotFound, "find", image_id, bench.subject.caller)

    def test_image_that_is_not_queued_takes_no_upload(self, bench: CatalogBench) -> None:
        attempt = bench.begun()
        for status in ("saving", "active"):
            bench.catalog.refuses(errors.ImageConflict, "begin", bench.upload_of(attempt.image_id), ["slow"])
            bench.assert_status(attempt.image_id, status)
            if status == "saving":
                bench.activate(attempt)
        bench.assert_active(attempt)

    def test_owner_is_confirmed(self, bench: CatalogBench) -> None:
        attempt = bench.begun()
        for certain in (False, True):
            bench.catalog.returns(None, "confirm", attempt, certain=certain)
        bench.catalog.returns(None, "confirm", attempt)
        bench.assert_status(attempt.image_id, "saving")

    def test_images_do_not_meet(self, bench: CatalogBench) -> None:
        left, right, idle = bench.begun(), bench.begun(), bench.subject.create()
        bench.activate(left, size=1)
        bench.catalog.returns(True, "release", right)
        bench.assert_active(left, size=1)
        bench.assert_queued(right.image_id)
        bench.assert_queued(idle)


class OwnershipLaws:
    """Only the owner acts: what an attempt may do that has ended, or has lost its image."""

    def test_attempt_ends_once(self, bench: CatalogBench) -> None:
        released, activated = bench.begun(), bench.begun()
        bench.catalog.returns(True, "release", released)
        bench.activate(activated)
        for ended in (released, activated):
            bench.catalog.returns(False, "release", ended)
            bench.catalog.refuses(errors.ImageGone, "activate", ended, result(ended, size=9))
        bench.assert_queued(released.image_id)
        bench.assert_active(activated)

    def test_attempt_that_lost_its_image_harms_no_later_one(self, bench: CatalogBench) -> None:
        lost = bench.begun()
        bench.catalog.returns(True, "release", lost)
        winner = bench.begin(lost.image_id)
        bench.catalog.refuses(errors.ImageGone, "activate", lost, result(lost, size=9))
        bench.catalog.returns(False, "release", lost)
        bench.assert_status(lost.image_id, "saving")
        bench.activate(winner)
        bench.catalog.refuses(errors.ImageGone, "activate", lost, result(lost, size=9))
        bench.catalog.returns(False, "release", lost)
        bench.assert_active(winner)

    def test_image_deleted_during_its_upload_never_comes_back(self, bench: CatalogBench) -> None:
        activated, released = bench.begun(), bench.begun()
        for attempt in (activated, released):
            bench.subject.delete(attempt.image_id)
        bench.catalog.refuses(errors.ImageGone, "activate", activated, result(activated))
        for attempt in (activated, released):
            bench.catalog.gives(bool, "release", attempt)
            bench.assert_gone(attempt.image_id)


class ConfirmsOwnership:
    """For catalogs in which an upload can be taken over, or that tell early that an image was deleted: adopt it beside
    `CatalogContract`. A promise more, not a test less."""

    def test_attempt_that_lost_its_image_is_told_before_it_commits(self, bench: CatalogBench) -> None:
        deleted, released, activated, lost = (bench.begun() for _ in range(4))
        bench.subject.delete(deleted.image_id)
        bench.activate(activated)
        bench.catalog.returns(True, "release", released)
        bench.catalog.returns(True, "release", lost)
        bench.begin(lost.image_id)
        for attempt in (deleted, released, activated, lost):
            bench.catalog.refuses(errors.ImageGone, "confirm", attempt)


class HidesImages:
    """For catalogs in which a caller does not see every image: adopt it beside `CatalogContract`."""

    def test_stranger_finds_no_image(self, bench: CatalogBench) -> None:
        queued, active, stranger = bench.subject.create(), bench.active(), bench.subject.stranger
        for image_id in (queued, active):
            bench.catalog.refuses(errors.ImageNotFound, "find", image_id, stranger)
            upload = bench.upload_of(image_id)
            bench.catalog.refuses(errors.ImageNotFound, "begin", type(upload)(image_id, context=stranger), ["fast"])
        bench.assert_queued(queued)
        bench.assert_status(active, "active")


class RefusesUnsetFormats:
    """For catalogs whose images may have no disk or container format yet: adopt it beside `CatalogContract`."""

    def test_image_without_formats_takes_no_upload(self, bench: CatalogBench) -> None:
        image_id = bench.subject.create(formats=False)
        bench.catalog.refuses(errors.InvalidRequest, "begin", bench.upload_of(image_id), ["fast"])
        bench.assert_queued(image_id)
