"""The host's table of images, as the library sees it: three small protocols, and an implementation in memory.

Uploads need `ImageCatalog`: begin, activate, release, each one compare-and-set in the host's table, and confirm, so
that only the owner of an image acts (law 8). Downloads need `ImageSource`, copies to other stores `CopyCatalog`. The
core never touches any other column of an image. The functions are for hosts, so that all catalogs refuse in the same
words. `MemoryCatalog` is exact for the threads of one process; it is for tests and as the model of a catalog.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from imgstore import errors
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult


class AttemptCatalog(Protocol):
    """How an attempt ends. Anything raised that is not an ImgstoreError is taken as "outcome unknown"."""

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """saving -> active with size, digests and all locations at once, if `attempt` still owns the image. A store of
        the attempt that is not among the locations was left out; what it may have kept is to be removed.

        Raises ImageGone if it does not, CatalogUnavailable if the change was certainly not made.
        """

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """Raises ImageGone if `attempt` does not own its image any more: deleted, or counted as dead and taken over.

        Asked before the object is committed. Not `certain`: asked while bytes flow, 64 KiB or more each time, and
        raises only if that is known without a query. Raises CatalogUnavailable.
        """

    def release(self, attempt: Attempt) -> bool:
        """saving -> queued if `attempt` still owns the image. True if it did: then it is certain that the attempt
        never became active and that its data may be removed."""


class ImageCatalog(AttemptCatalog, Protocol):
    """What an upload needs of the host."""

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        """queued -> saving, and a new attempt's number. `stores` are the identifiers of the stores that the bytes will
        go to; remember them all with the attempt, so that what it leaves if its process dies can be found.

        Raises ImageNotFound (not there, not visible), Forbidden, InvalidRequest (disk or container format not set),
        ImageConflict (not queued) - checked in this order - or CatalogUnavailable.
        """


class CopyCatalog(Protocol):
    """What copying an active image to other stores needs of the host. A copy is an attempt like an upload, with a
    number from the same count; the image stays as it is meanwhile, and may be deleted."""

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        """A new attempt for an active image that has none under way, and the image. `stores` are to be remembered with
        it as by `ImageCatalog.begin`. One that has the image already is refused.

        Raises ImageNotFound, Forbidden, ImageConflict, CatalogUnavailable.
        """

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        """Ends the attempt, and gives the image the locations at once, if it is still active and `attempt` still its
        own, and it is in none of their stores. As in `AttemptCatalog.activate`, a store may have been left out.

        Raises ImageGone if it is not, CatalogUnavailable if the change was certainly not made.
        """

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """See AttemptCatalog."""

    def release(self, attempt: Attempt) -> bool:
        """Ends the attempt if it has not ended; the image stays as it is. See AttemptCatalog."""


class ImageSource(Protocol):
    """What a download needs of the host."""

    def find(self, image_id: str, context: object = None) -> StoredImage:
        """The image as `context` may see it. Raises ImageNotFound, Forbidden (deactivated, too), CatalogUnavailable."""


def no_such_image(image_id: str) -> errors.ImageNotFound:
    """The error for an image that is not there or not visible."""
    return errors.ImageNotFound(f"No image with ID {image_id} is found.")


def image_gone(image_id: str) -> errors.ImageGone:
    """The error for an attempt that does not own its image any more."""
    return errors.ImageGone(f"Image {image_id} was deleted or taken over during the upload.")


def require_queued(image_id: str, status: str) -> None:
    """Raises ImageConflict unless the status allows an upload to begin."""
    if status != "queued":
        raise errors.ImageConflict(
            f"Image {image_id} is {status}: an upload needs status queued (status transition from {status} to saving "
            "is not allowed)."
        )


def copy_gone(image_id: str) -> errors.ImageGone:
    """The error for a copy whose image is not what it was any more."""
    return errors.ImageGone(f"Image {image_id} was deleted, or is active no more, during the copy.")


def require_copyable(image: StoredImage, stores: Sequence[str], *, busy: bool) -> None:
    """Raises ImageConflict unless a copy of `image` to `stores` may begin; `busy`: an attempt is under way."""
    if image.status != "active":
        raise errors.ImageConflict(f"Image {image.image_id} is {image.status}: only active images are copied.")
    if busy:
        raise errors.ImageConflict(f"Image {image.image_id} is being copied already: try again when that has ended.")
    for location in image.locations:
        if location.store in stores:
            raise errors.ImageConflict(f"Image {image.image_id} is in store '{location.store}' already.")


def require_formats(disk_format: str | None, container_format: str | None) -> None:
    """Raises InvalidRequest unless both formats are set, as the Image API demands before data is saved."""
    pairs = (("disk_format", disk_format), ("container_format", container_format))
    missing = [name for name, value in pairs if not value]
    if missing:
        raise errors.InvalidRequest(f"Properties {', '.join(missing)} must be set prior to saving data.")


@dataclass(frozen=True, slots=True)
class _Row:
    owner: str
    disk_format: str | None
    container_format: str | None
    image: StoredImage
    uploading: int | None = None


class MemoryCatalog:
    """A catalog of one process: create, then upload, then copy; `context` is the caller's project, None sees
    everything."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._spent: dict[str, int] = {}
        self._lock = threading.Lock()

    def create(
        self,
        image_id: str,
        *,
        owner: str = "project",
        disk_format: str | None = "raw",
        container_format: str | None = "bare",
    ) -> None:
        """Adds a queued image."""
        with self._lock:
            self._rows[image_id] = _Row(owner, disk_format, container_format, StoredImage(image_id, "queued"))

    def delete(self, image_id: str) -> StoredImage:
        """Removes the image, also under an upload; returns what it was, so that its data can be removed."""
        with self._lock:
            return self._visible(image_id, None, pop=True).image

    def find(self, image_id: str, context: object = None) -> StoredImage:
        """See ImageSource."""
        with self._lock:
            return self._visible(image_id, context).image

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        """See ImageCatalog."""
        with self._lock:
            row = self._visible(request.image_id, request.context)
            require_formats(row.disk_format, row.container_format)
            require_queued(request.image_id, row.image.status)
            return self._granted(replace(row, image=replace(row.image, status="saving")), stores)

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """See ImageCatalog."""
        with self._lock:
            row = self._owned(attempt)
            if row is None:
                raise image_gone(attempt.image_id)
            active = StoredImage(
                attempt.image_id,
                "active",
                size=result.size,
                checksum=result.checksum,
                hash_algo=result.hash_algo,
                hash_value=result.hash_value,
                locations=tuple(result.locations),
            )
            self._rows[attempt.image_id] = replace(row, image=active, uploading=None)

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        """See CopyCatalog."""
        with self._lock:
            row = self._visible(image_id, context)
            require_copyable(row.image, stores, busy=row.uploading is not None)
            return self._granted(row, stores), row.image

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        """See CopyCatalog."""
        with self._lock:
            row = self._owned(attempt)
            if row is None:
                raise copy_gone(attempt.image_id)
            image = replace(row.image, locations=(*row.image.locations, *locations))
            self._rows[attempt.image_id] = replace(row, image=image, uploading=None)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """See AttemptCatalog. A dictionary is asked, so that it is always certain."""
        with self._lock:
            if self._owned(attempt) is None:
                raise image_gone(attempt.image_id)

    def release(self, attempt: Attempt) -> bool:
        """See AttemptCatalog."""
        with self._lock:
            row = self._owned(attempt)
            if row is None:
                return False
            image = replace(row.image, status="queued") if row.image.status == "saving" else row.image
            self._rows[attempt.image_id] = replace(row, image=image, uploading=None)
            return True

    def _granted(self, row: _Row, stores: Sequence[str]) -> Attempt:
        image_id = row.image.image_id
        number = self._next_number(image_id)
        self._rows[image_id] = replace(row, uploading=number)
        formats = row.disk_format or "", row.container_format or ""
        return Attempt(image_id, number, row.owner, *formats, stores=tuple(stores))

    def _owned(self, attempt: Attempt) -> _Row | None:
        row = self._rows.get(attempt.image_id)
        return None if row is None or row.uploading != attempt.number else row

    def _next_number(self, image_id: str) -> int:
        """Counted apart from the rows: an image that is deleted and created again must not repeat a number (law 8)."""
        number = self._spent[image_id] = self._spent.get(image_id, 0) + 1
        return number

    def _visible(self, image_id: str, project: object, *, pop: bool = False) -> _Row:
        row = self._rows.get(image_id)
        if row is None or project not in (None, row.owner):
            raise no_such_image(image_id)
        if pop:
            del self._rows[image_id]
        return row
