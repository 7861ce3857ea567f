"""The values that pass between host, core and drivers: frozen, without behaviour, standard library only.

Sizes are in bytes, times in seconds since the epoch. `None` means unknown, `0` means empty (law 2). No value here ever
holds a credential (law 7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Chunk: TypeAlias = "bytes | bytearray | memoryview"

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as a store knows it. `etag` changes whenever the bytes under the key may have changed."""

    key: str
    size: int
    etag: str | None = None
    modified: float | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where an image's data is: store identifier, key, and a URL for people and other services."""

    store: str
    key: str
    url: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """What an upload that died left in a store: `name` is meaningful to the driver that lists it only; `key` is what it
    was written for, where the driver can tell."""

    name: str
    reason: str
    size: int | None = None
    modified: float | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """Room in a store, bytes; `None` where the store does not tell."""

    total: int | None
    free: int | None


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What a host asks for. `stores` are identifiers; none means the default store. `context` is the host's own
    (caller, policy): the core hands it to the catalog untouched."""

    image_id: str
    stores: Sequence[str] = ()
    size: int | None = None
    context: object = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at giving an image its data, or a copy of it, as the catalog granted it: number 1, 2, ... never used
    twice (law 8). `stores` are the identifiers of the stores that it writes to."""

    image_id: str
    number: int
    owner: str
    disk_format: str
    container_format: str
    stores: Sequence[str] = ()

    @property
    def key(self) -> str:
        """The key under which this attempt writes, in each of its stores, and no other ever does."""
        return self.image_id if self.number == 1 else f"{self.image_id}.{self.number}"


@dataclass(frozen=True, slots=True)
class UploadResult:
    """A finished upload. `locations`: one a store that has the data, at least one, in the order in which the stores
    were asked for. `checksum` is the md5 in hex or None where it is turned off; `findings` are the taps'."""

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
    """An image as a download sees it. `locations` in the catalog's order of preference; empty: no data yet."""

    image_id: str
    status: str
    size: int | None = None
    checksum: str | None = None
    hash_algo: str | None = None
    hash_value: str | None = None
    locations: Sequence[Location] = ()
