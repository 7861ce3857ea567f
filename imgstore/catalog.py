"""The host's table of images, as the library sees it: three small protocols, and an implementation in memory.

Uploads need `ImageCatalog`, downloads `ImageSource`, copies to other stores `CopyCatalog`. Each change is one
compare-and-set in the host's table (law "only the owner acts"), and **has committed when its method returns**: bytes
are sent, objects removed and quota settled because of it, which no rollback takes back. So a method has a transaction
of its own, never that of a request around it. The library touches no other column of an image. The functions make the
refusals, so that all catalogs refuse in the same words. `MemoryCatalog` is exact for the threads of one process: for
tests, and as a model.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from imgstore import errors
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult

SIGNATURE = ("img_signature", "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,189}", re.ASCII)
"""The key of an attempt has up to ten characters more, and 200 at most."""
_LATER_KEY = re.compile(r".+\.[1-9][0-9]{0,8}", re.ASCII)


class AttemptCatalog(Protocol):
    """How an attempt ends. Each method has committed when it returns, and changed nothing when it raises an
    ImgstoreError; any other exception means that the outcome is unknown."""

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """saving -> active, with size, digests and all locations at once, if `attempt` still owns the image. A store of
        the attempt without a location was left out: record its leftovers for removal.

        Raises ImageGone if the attempt lost the image, CatalogUnavailable if it is certain that nothing was changed.
        """

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """Raises ImageGone if `attempt` lost its image, because it was deleted or another attempt took it over.

        The session asks before it commits. It also asks while bytes arrive, at most once for each 64 KiB, with
        `certain` False: then the answer must not cost a query. Raises CatalogUnavailable.
        """

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        """saving -> queued if `attempt` still owns the image. True if it did: then it is certain that the attempt never
        became active, and its data may be removed. `unremoved`: stores in which something of the attempt stays, since
        they failed: record it for removal in the same transaction, as that of a dead attempt."""


class ImageCatalog(AttemptCatalog, Protocol):
    """The catalog as an upload needs it."""

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        """queued -> saving, with a new attempt. `stores` are the identifiers of the stores to write to: record them
        with the attempt, so that its leftovers can be found if its process dies. It is committed: were it rolled back,
        its number would be given again, and the next attempt would find the object of this one under its key.

        Raises, checked in this order: ImageNotFound (does not exist, not visible), Forbidden, InvalidRequest (disk or
        container format not set), ImageConflict (not queued); or CatalogUnavailable.
        """


class CopyCatalog(Protocol):
    """The catalog as copies of active images to other stores need it. A copy is an attempt like an upload, with a
    number from the same count. Meanwhile the image keeps its status, and may be deleted."""

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        """A new attempt, and its image: active, with no attempt under way, and in none of `stores`, which are recorded
        as by `ImageCatalog.begin`. Raises ImageNotFound, Forbidden, ImageConflict, CatalogUnavailable."""

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        """Ends the attempt and adds all locations at once, if the image is still active, still belongs to `attempt`,
        and is in none of their stores. As in `AttemptCatalog.activate`, a store may have been left out.

        Raises ImageGone otherwise, CatalogUnavailable if it is certain that nothing was changed.
        """

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """As `AttemptCatalog.confirm`."""

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        """As `AttemptCatalog.release`, but the image keeps its status."""


class ImageSource(Protocol):
    """The catalog as a download needs it."""

    def find(self, image_id: str, context: object = None) -> StoredImage:
        """The image, if `context` may see it. Raises ImageNotFound, Forbidden (also for a deactivated image),
        CatalogUnavailable."""


def no_such_image(image_id: str) -> errors.ImageNotFound:
    """The error for an image that does not exist or is not visible."""
    return errors.ImageNotFound(f"No image with ID {image_id} is found.")


def makes_keys(image_id: str) -> bool:
    """Whether the keys of an image with this identifier are safe in each store, and no other image's. An identifier
    that ends in a dot and a number is the key of a later attempt of the one without."""
    return _IDENTIFIER.fullmatch(image_id) is not None and _LATER_KEY.fullmatch(image_id) is None


def require_countable(image_id: str, owner: str) -> None:
    """Raises UsageError for an image whose identifier makes no keys (`makes_keys`), or whose quota would be another's:
    what nobody owns is nobody's quota."""
    if not makes_keys(image_id):
        raise errors.UsageError(
            f"{image_id[:80]!a} is no image's identifier: it has 1 to 190 of A-Z a-z 0-9 . _ -, does not start with a "
            "dot, and does not end in a dot and a number."
        )
    if not owner:
        raise errors.UsageError(f"Image {image_id[:80]} has no owner, whose quota would count it.")


def image_gone(image_id: str) -> errors.ImageGone:
    """The error for an attempt that lost its image."""
    return errors.ImageGone(f"Image {image_id} was deleted or taken over during the upload.")


def require_queued(image_id: str, status: str) -> None:
    """Raises ImageConflict unless the status allows an upload to begin."""
    if status != "queued":
        raise errors.ImageConflict(
            f"Image {image_id} is {status}: an upload needs status queued (status transition from {status} to saving "
            "is not allowed)."
        )


def copy_gone(image_id: str) -> errors.ImageGone:
    """The error for a copy that lost its image."""
    return errors.ImageGone(f"Image {image_id} was deleted or deactivated during the copy.")


def require_copyable(image: StoredImage, stores: Sequence[str], *, busy: bool) -> None:
    """Raises ImageConflict unless a copy of `image` to `stores` may begin, AlreadyInStore if one of them has the image;
    `busy`: an attempt is under way."""
    if image.status != "active":
        raise errors.ImageConflict(f"Image {image.image_id} is {image.status}: only active images are copied.")
    for location in image.locations:
        if location.store in stores:
            # Glance's words, by which clients know it.
            raise errors.AlreadyInStore(f"Image is already present at store '{location.store}'.")
    if busy:
        raise errors.ImageConflict(f"Image {image.image_id} is being copied already: try again afterwards.")


def require_unsigned(properties: Mapping[str, str]) -> None:
    """Raises InvalidRequest for an image with properties of a signature, for a host without a tap that verifies it: an
    image that is said to be signed never becomes active unverified."""
    if signature_of(properties):
        raise errors.InvalidRequest(
            f"Signatures are not verified here: remove {', '.join(sorted(signature_of(properties)))} from the image."
        )


def signature_of(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties that say how an image is signed."""
    return {name: value for name, value in properties.items() if name in SIGNATURE}


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
    """A catalog for one process. `context` is the project of the caller; None sees every image. `unremoved`: store and
    key of what failed uploads could not remove."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._spent: dict[str, int] = {}
        self.unremoved: list[tuple[str, str]] = []
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
        require_countable(image_id, owner)
        with self._lock:
            self._rows[image_id] = _Row(owner, disk_format, container_format, StoredImage(image_id, "queued"))

    def delete(self, image_id: str) -> StoredImage:
        """Removes the image, even during an upload; returns it, so that its data can be removed."""
        with self._lock:
            return self._visible(image_id, None, pop=True).image

    def find(self, image_id: str, context: object = None) -> StoredImage:
        with self._lock:
            return self._visible(image_id, context).image

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        with self._lock:
            row = self._visible(request.image_id, request.context)
            require_formats(row.disk_format, row.container_format)
            require_queued(request.image_id, row.image.status)
            return self._granted(replace(row, image=replace(row.image, status="saving")), stores)

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
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
        with self._lock:
            row = self._visible(image_id, context)
            require_copyable(row.image, stores, busy=row.uploading is not None)
            return self._granted(row, stores), row.image

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        with self._lock:
            row = self._owned(attempt)
            if row is None:
                raise copy_gone(attempt.image_id)
            image = replace(row.image, locations=(*row.image.locations, *locations))
            self._rows[attempt.image_id] = replace(row, image=image, uploading=None)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        with self._lock:
            if self._owned(attempt) is None:
                raise image_gone(attempt.image_id)

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        with self._lock:
            row = self._owned(attempt)
            if row is None:
                return False
            self.unremoved += [(store, attempt.key) for store in unremoved]
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
        """Counted apart from the rows: an image that is deleted and created again must not repeat a number."""
        number = self._spent[image_id] = self._spent.get(image_id, 0) + 1
        return number

    def _visible(self, image_id: str, project: object, *, pop: bool = False) -> _Row:
        row = self._rows.get(image_id)
        if row is None or project not in (None, row.owner):
            raise no_such_image(image_id)
        if pop:
            del self._rows[image_id]
        return row
