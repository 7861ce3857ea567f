"""A row of a host's table of images, and what it says: for `TableCatalog`.

The host's columns are few. What a host lists or queries has one of its own; all else that the library knows of an image
is in one column of text, `record`, which a later release of the library can add to without a change of the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Protocol, TypedDict

from imgstore import errors
from imgstore.model import Attempt, Location, Standing, StoredImage, attempt_of

Object = tuple[str, str, bool]
"""What is to be removed: its store, its key, and whether there may be leftovers."""


class ImageRow(Protocol):
    """A row. The host fills the first four columns. A new row has status "queued", no size, version 0, an empty record,
    and is not unfinished. Only the library changes these; a host may read `status` and `size`."""

    @property
    def id(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def disk_format(self) -> str: ...
    @property
    def container_format(self) -> str: ...
    @property
    def status(self) -> str:
        """queued, saving, active or deleted. An unfinished row stays, also if it is deleted."""

    @property
    def size(self) -> int | None:
        """Bytes of the data; None if there is none."""

    @property
    def version(self) -> int:
        """Grows by one with each change."""

    @property
    def unfinished(self) -> bool:
        """Whether an attempt is under way, or something is to be removed. Worth an index."""

    @property
    def record(self) -> str:
        """Text of any length (JSON)."""


class Values(TypedDict):
    """What one change sets."""

    status: str
    size: int | None
    version: int
    unfinished: bool
    record: str


COLUMNS = tuple(name for name, value in vars(ImageRow).items() if isinstance(value, property))
"""What a row has."""


class ImageTable(Protocol):
    """The host's table of images. Each method is a transaction of its own, and sees what others have committed."""

    def get(self, image_id: str) -> ImageRow | None:
        """The row, or None."""

    def unfinished(self) -> Iterable[ImageRow]:
        """The rows whose `unfinished` is true."""

    def swap(self, row: ImageRow, values: Values) -> bool:
        """Sets these columns, if `row.version` is still the version of that row; committed when this returns. False if
        it is not."""


@dataclass(frozen=True, slots=True)
class State:
    """An image, as the library sees it. `attempts`: the number of the last attempt; `stores` are those that it writes
    to while it is under way; until `lease_until`, in seconds since the epoch, nobody takes its image back (None: none
    is under way)."""

    status: str
    size: int | None = None
    attempts: int = 0
    stores: Sequence[str] = ()
    lease_until: float | None = None
    to_remove: Sequence[Object] = ()
    locations: Sequence[Location] = ()
    checksum: str | None = None
    hash_algo: str | None = None
    hash_value: str | None = None

    def is_of(self, attempt: Attempt) -> bool:
        """Whether this attempt is under way."""
        return self.lease_until is not None and self.attempts == attempt.number

    def is_owned_by(self, attempt: Attempt) -> bool:
        """Whether it is, and the image is not deleted."""
        return self.status != "deleted" and self.is_of(attempt)

    def is_over(self, now: float) -> bool:
        """Whether an attempt is under way whose lease has ended."""
        return self.lease_until is not None and self.lease_until < now

    def without_attempt(self) -> State:
        """The same with none under way."""
        return replace(self, stores=(), lease_until=None)

    def as_stored(self, image_id: str) -> StoredImage:
        """The same for a download."""
        shared = {each.name: getattr(self, each.name) for each in fields(StoredImage) if each.name != "image_id"}
        return StoredImage(image_id, **shared)


def state_of(row: ImageRow) -> State:
    """What a row says. Raises UsageError if its record is not what was written."""
    try:
        return _read(row)
    except (ValueError, TypeError, AttributeError) as error:
        raise errors.UsageError(
            f"The record of image {row.id} cannot be read ({type(error).__name__}). It is text of any length, as the "
            "library wrote it; an earlier release may not know what a later one wrote."
        ) from error


def _read(row: ImageRow) -> State:
    record = json.loads(row.record or "{}")
    locations = [Location(*each) for each in record.pop("locations", ())]
    to_remove = [(store, key, leftovers) for store, key, leftovers in record.pop("to_remove", ())]
    return State(row.status, row.size, locations=locations, to_remove=to_remove, **record)


def values_of(state: State, *, version: int) -> Values:
    """What a row with this state is to say."""
    record = asdict(state) | {"locations": [(each.store, each.key, each.url) for each in state.locations]}
    text = json.dumps({name: value for name, value in record.items() if value and name not in ("status", "size")})
    unfinished = state.lease_until is not None or bool(state.to_remove)
    return Values(status=state.status, size=state.size, version=version, unfinished=unfinished, record=text)


def attempt_on(row: ImageRow, number: int, stores: Iterable[str]) -> Attempt:
    """An attempt of this image."""
    return Attempt(row.id, number, row.owner, row.disk_format, row.container_format, stores=tuple(stores))


def standing_of(state: State | None, store: str, key: str) -> Standing:
    """No number is used twice. So one that was given out and is not under way never gets a location, unless somebody
    made a copy of an object that has one elsewhere."""
    if state is None:
        return Standing.UNKNOWN
    live = {(location.store, location.key) for location in state.locations}
    if (store, key) in live:
        return Standing.LIVE
    if any(each[:2] == (store, key) for each in state.to_remove):
        return Standing.REMOVING
    number = attempt_of(key)[1]
    if number > state.attempts or any(key == other for _, other in live):
        return Standing.UNKNOWN
    return Standing.UNDER_WAY if number == state.attempts and state.lease_until is not None else Standing.DEAD
