"""The bench on which the tests of a catalog work: the table as two processes have it, and steps of many tests."""

from __future__ import annotations

from collections.abc import Sequence

from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult
from imgstore.testing.hosts.calls import Calls
from imgstore.testing.hosts.subjects import CatalogSubject

NOWHERE = "0b6f9a38-30c6-4b5e-8d0c-3c1e8f1c3a55"
"""The identifier of no image."""
LARGE = 3 * 2**40
"""Bytes that no column of 32 bits takes."""
DIGEST = "5d" * 64
CHECKSUM = "c4" * 16


class CatalogBench:
    """`catalog` does what is tested; `other` looks at it, as another process does: each change is there at once."""

    SECTION = "laws-of-a-catalog"

    def __init__(self, subject: CatalogSubject) -> None:
        self.subject = subject
        self.catalog = Calls(subject.open(), self.SECTION)
        self.other = Calls(subject.open(), self.SECTION)

    def upload_of(self, image_id: str) -> UploadRequest:
        """An upload that `caller` asks for."""
        return UploadRequest(image_id, context=self.subject.caller)

    def begin(self, image_id: str, *stores: str) -> Attempt:
        """An upload under way, to these stores or to `fast`."""
        return self.catalog.gives(Attempt, "begin", self.upload_of(image_id), list(stores or ["fast"]))

    def begun(self, *stores: str) -> Attempt:
        """An upload of a new image."""
        return self.begin(self.subject.create(), *stores)

    def activate(self, attempt: Attempt, *stores: str, size: int = 5) -> None:
        """The attempt wins, with data in these stores or in all of its own."""
        self.catalog.returns(None, "activate", attempt, result(attempt, *stores, size=size))

    def active(self, *stores: str) -> str:
        """A new image with data in these stores, or in `fast`."""
        attempt = self.begun(*stores)
        self.activate(attempt)
        return attempt.image_id

    def found(self, image_id: str) -> StoredImage:
        """The image as a download of `caller` sees it."""
        return self.other.gives(StoredImage, "find", image_id, self.subject.caller)

    def assert_status(self, image_id: str, status: str) -> StoredImage:
        """The image has this status."""
        image = self.found(image_id)
        self._compare(image_id, "the status", image.status, status)
        return image

    def assert_queued(self, image_id: str) -> None:
        """The image waits for an upload, and has no data."""
        image = self.assert_status(image_id, "queued")
        self._compare(image_id, "the locations", _places(image.locations), [])
        self._compare(image_id, "the size", image.size, None)

    def assert_active(self, attempt: Attempt, *stores: str, size: int = 5) -> None:
        """The image has exactly the data of this attempt, in these stores or in all of its own."""
        image, wanted = self.assert_status(attempt.image_id, "active"), result(attempt, *stores, size=size)
        self._compare(attempt.image_id, "the size", image.size, wanted.size)
        digest = (image.hash_algo, image.hash_value)
        self._compare(attempt.image_id, "the digest", digest, (wanted.hash_algo, wanted.hash_value))
        if image.checksum is not None:
            self._compare(attempt.image_id, "the checksum", image.checksum, wanted.checksum)
        self.assert_locations(image, wanted.locations)

    def assert_locations(self, image: StoredImage, locations: Sequence[Location]) -> None:
        """The image is exactly there; the order is the catalog's."""
        self._compare(image.image_id, "the locations", _places(image.locations), _places(locations))

    def assert_gone(self, image_id: str) -> None:
        """The image was deleted."""
        for image in [self.other.outcome("find", image_id, self.subject.caller)]:
            if isinstance(image, StoredImage):
                self.other.fail(f"found image {image_id!r} ({image.status})", "nothing, since it was deleted")

    def _compare(self, image_id: str, what: str, has: object, wanted: object) -> None:
        if has != wanted:
            self.other.fail(f"says that {what} of image {image_id!r} is {has!r}", repr(wanted))


def _places(locations: Sequence[Location]) -> list[tuple[str, str, str]]:
    return sorted((location.store, location.key, location.url) for location in locations)


def locations_of(attempt: Attempt, *stores: str) -> list[Location]:
    """Where the attempt wrote: to these stores, or to all of its own. A URL may be long."""
    return [
        Location(store, attempt.key, f"memory://{store}/{'x' * 500}/{attempt.key}")
        for store in stores or attempt.stores
    ]


def result(attempt: Attempt, *stores: str, size: int = 5) -> UploadResult:
    """What an upload of `size` bytes ends with."""
    return UploadResult(attempt.image_id, locations_of(attempt, *stores), size, "sha512", DIGEST, checksum=CHECKSUM)
