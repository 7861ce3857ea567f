"""The values that pass between the SQL catalog and its host. They are frozen; only Caller knows who may do what."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from imgstore import errors
from imgstore.catalog import no_such_image
from imgstore.model import Location, StoredImage

SHARED = "shared"
PUBLIC = frozenset({"public", "community"})
READING = frozenset({"get_image", "get_images", "download_image", "get_member", "get_members"})
ANSWERING = frozenset({"modify_member"})
"""What others than the owner do to an image that they see; which of them may is decided there (`members`)."""
Permits = Callable[[str, "NewImage | None"], bool]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. An admin sees and changes the images of all projects.

    `permits` is the host's policy: whether this caller may do something (Glance's names) with an image; None: everybody
    may do everything with their own images, and read those that they see.
    """

    project_id: str | None
    is_admin: bool = False
    permits: Permits | None = field(default=None, repr=False, compare=False)

    def owns(self, owner: str) -> bool:
        """Whether images of `owner` are the caller's own."""
        return self.is_admin or self.project_id == owner

    def sees(self, owner: str, visibility: str) -> bool:
        """Whether an image of `owner` may be read, apart from members of a shared one."""
        return self.owns(owner) or visibility in PUBLIC

    def may(self, action: str, image: NewImage | None = None) -> bool:
        """Whether the caller may do `action` with an image that they see, or without one."""
        if self.permits is not None:
            return self.permits(action, image)
        return image is None or action in READING | ANSWERING or self.owns(image.owner)

    def require(self, action: str, image: NewImage | None = None) -> None:
        """Raises Forbidden if the caller may not do `action`, ImageNotFound if they may not even see the image."""
        if self.may(action, image):
            return
        if image is None:
            raise errors.Forbidden(f"You are not allowed to do this ({action}).")
        if not self.may("get_image", image):
            raise no_such_image(image.id)
        raise errors.Forbidden(f"You are not allowed to do this with image {image.id} ({action}).")


EVERYTHING = Caller(None, is_admin=True)


@dataclass(frozen=True, slots=True)
class NewImage:
    """What is known of an image before it has data."""

    id: str
    owner: str
    name: str | None = None
    visibility: str = SHARED
    protected: bool = False
    min_disk: int = 0
    min_ram: int = 0
    os_hidden: bool = False
    disk_format: str | None = None
    container_format: str | None = None
    tags: Sequence[str] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageRecord(NewImage):
    """An image as the catalog has it. Sizes in bytes; times are UTC; `locations` only those that have its data.

    `copying_to`: stores to which a copy is under way; `copy_failed`: those that the last copy did not reach, None if
    there never was a copy. `attempts`: the number of its last attempt. `member`: the caller's project where it sees the
    image as a member only.
    """

    status: str = "queued"
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    created_at: datetime.datetime = datetime.datetime.min
    updated_at: datetime.datetime = datetime.datetime.min
    locations: Sequence[Location] = ()
    copying_to: Sequence[str] = ()
    copy_failed: Sequence[str] | None = None
    attempts: int = 0
    member: str | None = None

    def as_stored(self) -> StoredImage:
        """The image as a download sees it."""
        return StoredImage(
            self.id,
            self.status,
            size=self.size,
            checksum=self.checksum,
            hash_algo=self.os_hash_algo,
            hash_value=self.os_hash_value,
            locations=self.locations,
        )


_COLUMNS = tuple(item.name for item in fields(ImageRecord))


def caller_of(context: object) -> Caller:
    """The caller in the `context` of a request. Raises UsageError if it is something else."""
    if context is None:
        return EVERYTHING
    if not isinstance(context, Caller):
        raise errors.UsageError(f"The context of SqlCatalog is a Caller, not a {type(context).__name__}.")
    return context


def record_of(row: Mapping[str, Any], locations: Sequence[Location]) -> ImageRecord:
    """The record of a row of `images`."""
    columns = {name: row[name] for name in _COLUMNS if name in row}
    failed = row["copy_failed"]
    made = {
        "tags": tuple(row["tags"]),
        "copying_to": () if row["status"] == "saving" else names_in(row["upload_store"]),
        "copy_failed": None if failed is None else names_in(failed),
    }
    return ImageRecord(**{**columns, **made}, locations=tuple(locations))


def names_in(text: str | None) -> tuple[str, ...]:
    """The names in a column that has them with commas between them."""
    return tuple(text.split(",")) if text else ()


def now() -> datetime.datetime:
    """The present in UTC, without a zone, as the tables have it."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
