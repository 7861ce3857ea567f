"""What a storage must hold by what was done to it, and what is under way: the model of random histories."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from imgstore.driver.base import ObjectReader, ObjectWriter, StoreDriver
from imgstore.model import Leftover
from imgstore.testing.bench import body


class Body(bytes):
    """A body that says how it is made."""

    seed = 0

    def __repr__(self) -> str:
        return f"body({len(self)}, {self.seed})"


@functools.lru_cache(maxsize=32)
def made(size: int, seed: int) -> Body:
    """A body; another seed, other bytes."""
    data = Body(body(size, seed))
    data.seed = seed
    return data


@dataclass
class Upload:
    """A writer, the key, what it has got, what was declared, and whose it is."""

    writer: ObjectWriter
    key: str
    size: int | None
    driver: StoreDriver
    data: bytes = b""


@dataclass(eq=False)
class Stored:
    """An object. Two of the same bytes are two."""

    data: bytes


@dataclass
class Download:
    """A reader, what it has to deliver, and the object of which it is."""

    reader: ObjectReader
    rest: bytes
    key: str
    stored: Stored
    driver: StoreDriver


@dataclass
class Model:
    """What the storage must hold, and what is under way."""

    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)
    found: list[Leftover] = field(default_factory=list)

    def is_busy(self, driver: StoreDriver) -> bool:
        """Whether something is under way on the driver."""
        owners = [*(upload.driver for upload in self.uploads), *(download.driver for download in self.downloads)]
        return any(owner is driver for owner in owners)
