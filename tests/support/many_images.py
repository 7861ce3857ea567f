"""Many active images at once, written past the catalog's own methods: for tests and benchmarks of large catalogs.

Image `n` is owned by project `n % owners`, has the tag `tag <n // 10>` and the property `os` with `n // 10`; one in a
hundred is public. All data is in one store. The ledger's accounts are not counted.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from imgstore.sql import words
from imgstore.sql.database import Database
from imgstore.sql.ledger.schema import ENTRIES, IMAGE, USED
from imgstore.sql.schema import IMAGES, LIVE, LOCATIONS, WORDS

STORE = "fast"
SIZE = 5
START = datetime.datetime(2026, 1, 1)
AT_ONCE = 5000
CHECKSUM = "{:032x}"

_IMAGE = {
    "protected": False, "min_disk": 0, "min_ram": 0, "os_hidden": False, "disk_format": "raw",
    "container_format": "bare", "status": "active", "size": SIZE, "virtual_size": SIZE, "os_hash_algo": "sha512",
    "os_hash_value": "ab" * 64, "attempts": 1,
}  # fmt: skip


def image_id(number: int) -> str:
    """The identifier of an image, and the key of its data."""
    return f"{(number * 2654435761) % 2**32:08x}-0000-0000-0000-{number:012d}"


def fill(database: Database, numbers: range, *, owners: int = 1) -> None:
    """Adds the images of these numbers."""
    for start in range(numbers.start, numbers.stop, AT_ONCE):
        some = range(start, min(start + AT_ONCE, numbers.stop))
        database.change(lambda connection, some=some: _fill(connection, some, owners))  # type: ignore[misc]  # bound here


def _fill(connection: sa.Connection, numbers: Iterable[int], owners: int) -> None:
    images = [_image(number, owners) for number in numbers]
    connection.execute(sa.insert(IMAGES), images)
    located = ({"image_id": row["id"], "key": row["id"], "url": f"file:///{row['id']}"} for row in images)
    connection.execute(sa.insert(LOCATIONS), [{**each, "store": STORE, "state": LIVE} for each in located])
    connection.execute(sa.insert(WORDS), [word for row in images for word in _words_of(row)])
    connection.execute(sa.insert(ENTRIES), [entry for row in images for entry in _entries_of(row)])


def _image(number: int, owners: int) -> dict[str, object]:
    moment = START + datetime.timedelta(seconds=number)
    return {
        **_IMAGE, "id": image_id(number), "owner": f"project {number % owners}", "name": f"image {number}",
        "visibility": "shared" if number % 100 else "public", "checksum": CHECKSUM.format(number),
        "tags": [f"tag {number // 10}"], "properties": {"os": str(number // 10)}, "created_at": moment,
        "updated_at": moment,
    }  # fmt: skip


def _words_of(row: dict[str, object]) -> Iterator[dict[str, object]]:
    tags, properties = row["tags"], row["properties"]
    assert isinstance(tags, list)
    assert isinstance(properties, dict)
    for word in words.of_image(str(row["owner"]), str(row["visibility"]), tags, properties):
        yield {"word": word, "created_at": row["created_at"], "image_id": row["id"]}


def _entries_of(row: dict[str, object]) -> Iterator[dict[str, object]]:
    entry = {"owner": row["owner"], "image_id": row["id"], "key": row["id"], "tight": False}
    yield {**entry, "store": "", "state": IMAGE, "attempt": 0, "bytes": 0, "reported": 0}
    yield {**entry, "store": STORE, "state": USED, "attempt": 1, "bytes": SIZE, "reported": SIZE}
