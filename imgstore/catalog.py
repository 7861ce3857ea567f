"""The host's table of images, as the library sees it: two small protocols, and an implementation in memory.

Uploads need `ImageCatalog`: begin, activate, release, each one compare-and-set in the host's table, so that only the
owner of an image acts (law 8). Downloads need `ImageSource`. The core never touches any other column of an image.
The functions are for hosts, so that all catalogs refuse in the same words. `MemoryCatalog` is exact for the threads of
one process; it is for tests and as the model of a catalog.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Protocol

from imgstore import errors
from imgstore.model import Attempt, StoredImage, UploadRequest, UploadResult


class ImageCatalog(Protocol):
    """What an upload needs of the host. Anything raised that is not an ImgstoreError is taken as "outcome unknown"."""

    def begin(self, request: UploadRequest, store: str) -> Attempt:
        """queued -> saving, and a new attempt's number. `store` is the identifier the bytes will go to.

        Raises ImageNotFound (not there, not visible), Forbidden, InvalidRequest (disk or container format not set),
        ImageConflict (not queued) - checked in this order - or CatalogUnavailable.
        """

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """saving -> active with size, digests and location, if `attempt` still owns the image.

        Raises ImageGone if it does not, CatalogUnavailable if the change was certainly not made.
        """

    def release(self, attempt: Attempt) -> bool:
        """saving -> queued if `attempt` still owns the image. True if it did: then it is certain that the attempt
        never became active and that its data may be removed."""


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
    """A catalog of one process: create, then upload; `context` is the caller's project, None sees everything."""

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

    def begin(self, request: UploadRequest, store: str) -> Attempt:
        """See ImageCatalog."""
        with self._lock:
            row = self._visible(request.image_id, request.context)
            require_formats(row.disk_format, row.container_format)
            require_queued(request.image_id, row.image.status)
            number = self._next_number(request.image_id)
            saving = replace(row.image, status="saving")
            self._rows[request.image_id] = replace(row, image=saving, uploading=number)
            return Attempt(request.image_id, number, row.owner, row.disk_format or "", row.container_format or "")

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """See ImageCatalog."""
        with self._lock:
            row = self._rows.get(attempt.image_id)
            if row is None or row.uploading != attempt.number:
                raise image_gone(attempt.image_id)
            active = StoredImage(
                attempt.image_id,
                "active",
                size=result.size,
                checksum=result.checksum,
                hash_algo=result.hash_algo,
                hash_value=result.hash_value,
                locations=(result.location,),
            )
            self._rows[attempt.image_id] = replace(row, image=active, uploading=None)

    def release(self, attempt: Attempt) -> bool:
        """See ImageCatalog."""
        with self._lock:
            row = self._rows.get(attempt.image_id)
            if row is None or row.uploading != attempt.number:
                return False
            queued = replace(row.image, status="queued")
            self._rows[attempt.image_id] = replace(row, image=queued, uploading=None)
            return True

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
