"""The values that pass between host, core and drivers: frozen, without behaviour, standard library only.

Sizes are in bytes, times in seconds since the epoch. `None` means unknown, `0` means empty (law "exact"). No value
holds a credential (law "no secrets").
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Chunk: TypeAlias = "bytes | bytearray | memoryview"

MIB = 1024 * 1024
_KEY = re.compile(r"(?P<image>.+?)(?:\.(?P<number>[1-9][0-9]{0,8}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as its store describes it. If the bytes under the key may have changed, `etag` has changed too."""

    key: str
    size: int
    etag: str | None = None
    modified: float | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where the data of an image is: store identifier, key, and a URL for people and other services."""

    store: str
    key: str
    url: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """A leftover: an interrupted upload left it in a store. Only the driver that lists it understands `name`. `key` is
    the key of that upload, if the driver can tell. `certain`: whether it carries a mark, or is where only this store
    writes. One that does not may be another store's: it is listed, and removed only where the host knows its upload."""

    name: str
    reason: str
    size: int | None = None
    modified: float | None = None
    key: str | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store keeps its objects. `root` and `path` are the same for the same place, however it is named: a device
    and the directory on it; an endpoint with a bucket, and the folders of the prefix. `name` is for people. `markable`:
    whether a mark can be kept there."""

    kind: str
    root: tuple[str, ...]
    path: tuple[str, ...]
    name: str
    markable: bool = True

    def overlaps(self, other: Place) -> bool:
        """Whether the two are one place, or one lies in the other."""
        depth = min(len(self.path), len(other.path))
        return (self.kind, self.root, self.path[:depth]) == (other.kind, other.root, other.path[:depth])


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """What a host remembers of a store's place. `written`: whether the mark was in the place once. From then on a place
    without it is the wrong one."""

    mark: str
    written: bool


@dataclass(frozen=True, slots=True)
class Space:
    """Total and free bytes of a store; `None` where the store does not tell."""

    total: int | None
    free: int | None


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """One upload that a host asks for. `stores` are identifiers; none means the default store. `expected`: the digests
    that the bytes must have, in hex, by algorithm of hashlib. `context` belongs to the host (caller, policy): the core
    passes it to the catalog unchanged."""

    image_id: str
    stores: Sequence[str] = ()
    size: int | None = None
    context: object = None
    expected: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to upload or to copy an image, as the catalog granted it. Its number, 1, 2, ..., is used only once
    (law "only the owner acts"). `stores` are the identifiers of the stores to write to."""

    image_id: str
    number: int
    owner: str
    disk_format: str
    container_format: str
    stores: Sequence[str] = ()

    @property
    def key(self) -> str:
        """The key of this attempt in each of its stores. No other attempt ever uses it."""
        return self.image_id if self.number == 1 else f"{self.image_id}.{self.number}"


def attempt_of(key: str) -> tuple[str, int]:
    """The image and the number of the attempt that writes under this key (see `Attempt.key`)."""
    match = _KEY.fullmatch(key)
    if match is None or match["number"] == "1":
        return key, 1
    return match["image"], int(match["number"] or 1)


@dataclass(frozen=True, slots=True)
class DeadAttempt:
    """An attempt, of an upload or a copy, whose lease ran out, `overdue` seconds ago. `holder` was its process, for
    people. Of the attempt, recovery needs `image_id`, `number` and `stores`."""

    attempt: Attempt
    holder: str = "a process"
    overdue: float = 0.0


@dataclass(frozen=True, slots=True)
class ObjectId:
    """Names an object by store and key."""

    store: str
    key: str


@dataclass(frozen=True, slots=True)
class Removal:
    """An object that is still to be removed from its store. `id` is the host's: the row that says so. `leftovers`: its
    attempt did not end well, so there may be an object, leftovers of one, or nothing."""

    id: object
    image_id: str
    store: str
    key: str
    leftovers: bool = True


class Standing(enum.Enum):
    """What the catalog knows of an object."""

    LIVE = "the data of an image"
    REMOVING = "to be removed"
    UNDER_WAY = "of an attempt that has not ended"
    DEAD = "of an attempt that ended without it"
    UNKNOWN = "of nothing that the catalog knows"


@dataclass(frozen=True, slots=True)
class CatalogLocation:
    """What should be in a store for one image. `size` in bytes; None if nobody knows."""

    image_id: str
    key: str
    size: int | None
    hash_algo: str | None
    hash_value: str | None


@dataclass(frozen=True, slots=True)
class ScrubCursor:
    """How far the reading of all data in a store has come. `after`: the number of the last location that was read.
    `began`: when this pass began, `complete`: when the last complete one did; 0 for never."""

    store: str
    after: int = 0
    began: int = 0
    complete: int = 0


@dataclass(frozen=True, slots=True)
class UploadResult:
    """A finished upload. `locations`: one for each store that has the data, in the order of the request. `checksum`:
    the md5 in hex, None if it is turned off. `findings`: the results of the taps."""

    image_id: str
    locations: Sequence[Location]
    size: int
    hash_algo: str
    hash_value: str
    checksum: str | None = None
    virtual_size: int | None = None
    findings: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as a download sees it. `locations` are in the catalog's order of preference; none: no data yet."""

    image_id: str
    status: str
    size: int | None = None
    checksum: str | None = None
    hash_algo: str | None = None
    hash_value: str | None = None
    locations: Sequence[Location] = ()
