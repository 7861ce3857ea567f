"""A catalog on two tables of the host, from five methods: images and removals. The rest of a catalog is here.

A host that has its own `ImageCatalog` needs none of this. One that has none yet, or wants recovery in a few lines,
gives its table of images these columns, and writes `ImageTable` with its ORM (`doc/embedding.md` shows one):

    id, owner, status, disk_format, container_format    the host's; a new image is `queued`
    attempts, uploading, lease_until                    whole numbers, 0 at first; lease_until of 64 bits
    writes_to, locations                                texts, empty at first
    size, checksum, hash_algo, hash_value               None until there is data

Rows of deleted images stay, with status `deleted`; else no identifier may be used again.

Every change is one compare-and-set: it names the values that it has seen. So one of several processes wins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from imgstore import errors
from imgstore.catalog import (
    copy_gone,
    image_gone,
    no_such_image,
    require_copyable,
    require_countable,
    require_formats,
    require_queued,
)
from imgstore.hosting.standing import ImageFacts, standings
from imgstore.model import (
    Attempt,
    DeadAttempt,
    Location,
    ObjectId,
    Removal,
    Standing,
    StoredImage,
    UploadRequest,
    UploadResult,
    attempt_of,
)  # fmt: skip

LEASE = 60.0
ENDED: Mapping[str, Any] = {"uploading": 0, "lease_until": 0, "writes_to": ""}
"""The columns of an image without an attempt."""

Row = Mapping[str, Any]
"""The columns of an image by name."""
Sees = Callable[[Row, Any], bool]
"""Whether a `context` may see an image. It may raise Forbidden."""


class ImageTable(Protocol):
    """The host's two tables. Each method is one transaction, committed when it returns."""

    def find(self, image_ids: Collection[str]) -> Iterable[Row]:
        """The rows of these images, as far as they exist."""

    def uploading(self) -> Iterable[Row]:
        """The rows whose `uploading` is not 0."""

    def change(
        self, image_id: str, expected: Mapping[str, Any], values: Mapping[str, Any], removals: Sequence[ObjectId]
    ) -> bool:
        """Sets the columns in `values` if the row has what is `expected`: one UPDATE with a WHERE. Only then each of
        `removals` becomes a row, in the same transaction. Returns whether the row was changed."""

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        """The removals, of one image or of all."""

    def removed(self, removal: Removal) -> None:
        """Deletes the row of a removal, if it is still there."""


def sees_all(row: Row, context: object) -> bool:
    """For a host that has asked before."""
    return True


class TableCatalog:
    """Implements ImageCatalog, CopyCatalog, ImageSource, KeptCatalog and EndsUploads. `lease`: seconds; `clock`: the
    time in seconds, if the clocks of the host's machines differ by more than a few."""

    def __init__(
        self, table: ImageTable, *, sees: Sees = sees_all, lease: float = LEASE, clock: Callable[[], float] = time.time
    ) -> None:
        self._table = table
        self._sees = sees
        self._lease = lease
        self._clock = clock

    @property
    def lease(self) -> float:
        """See KeptCatalog."""
        return self._lease

    def find(self, image_id: str, context: object = None) -> StoredImage:
        """See ImageSource."""
        return _image(self._visible(image_id, context))

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        """See ImageCatalog."""
        row = self._visible(request.image_id, request.context)
        require_countable(row["id"], row["owner"])
        require_formats(row["disk_format"], row["container_format"])
        require_queued(row["id"], row["status"])
        return self._granted(row, stores, status="saving")

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        """See CopyCatalog."""
        row = self._visible(image_id, context)
        image = _image(row)
        require_copyable(image, stores, busy=row["uploading"] != 0)
        return self._granted(row, stores, status="active"), image

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """See AttemptCatalog."""
        values = {
            **ENDED, "status": "active", "size": result.size, "checksum": result.checksum,
            "hash_algo": result.hash_algo, "hash_value": result.hash_value, "locations": _text(result.locations),
        }  # fmt: skip
        expected = {"uploading": attempt.number, "status": "saving"}
        if not self._table.change(attempt.image_id, expected, values, _left_out(attempt, result.locations)):
            raise image_gone(attempt.image_id)

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        """See CopyCatalog."""
        row = self._row(attempt.image_id)
        if row is None:
            raise copy_gone(attempt.image_id)
        present = _image(row).locations
        taken = {location.store for location in present} & {location.store for location in locations}
        values = {**ENDED, "locations": _text([*present, *locations])}
        expected = {"uploading": attempt.number, "status": "active", "locations": row["locations"]}
        if taken or not self._table.change(attempt.image_id, expected, values, _left_out(attempt, locations)):
            raise copy_gone(attempt.image_id)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """See AttemptCatalog."""
        row = self._row(attempt.image_id) if certain else None
        if certain and (row is None or row["uploading"] != attempt.number or row["status"] == "deleted"):
            raise image_gone(attempt.image_id)

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        """See AttemptCatalog."""
        row = self._row(attempt.image_id)
        return row is not None and self._end(row, attempt, unremoved)

    def delete(self, image_id: str, context: object = None) -> None:
        """Marks an image deleted, also during an upload; its objects become removals (`Keeper.remove`). Raises
        ImageNotFound, Forbidden."""
        deleted = False
        while not deleted:
            row = self._visible(image_id, context)
            objects = [ObjectId(location.store, location.key) for location in _image(row).locations]
            expected = {"status": row["status"], "locations": row["locations"]}
            deleted = self._table.change(image_id, expected, {"status": "deleted", "locations": ""}, objects)

    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        """See KeptCatalog."""
        until = self._until()
        return [
            attempt
            for attempt in attempts
            if not self._table.change(attempt.image_id, {"uploading": attempt.number}, {"lease_until": until}, ())
        ]

    def expired(self) -> Sequence[DeadAttempt]:
        """See KeptCatalog."""
        now = self._clock() * 1000
        rows = [row for row in self._table.uploading() if row["lease_until"] < now]
        return [DeadAttempt(_attempt(row), overdue=(now - row["lease_until"]) / 1000) for row in rows]

    def take_back(self, dead: DeadAttempt) -> bool:
        """See KeptCatalog."""
        row = self._row(dead.attempt.image_id)
        if row is None or row["lease_until"] >= self._clock() * 1000:
            return False
        return self._end(row, dead.attempt, dead.attempt.stores, lease_until=row["lease_until"])

    def abandon_uploads(self) -> int:
        """See EndsUploads."""
        attempts = [(row, _attempt(row)) for row in self._table.uploading()]
        return sum(self._end(row, attempt, attempt.stores) for row, attempt in attempts)

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        """See KeptCatalog."""
        return self._table.removals(image_id)

    def removed(self, removal: Removal) -> None:
        """See KeptCatalog."""
        self._table.removed(removal)

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        """See KeptCatalog. The rows are read before the removals: what has ended by then stays so."""
        wanted = list(keys)
        rows = self._table.find({attempt_of(key)[0] for key in wanted})
        images = {row["id"]: ImageFacts(row["attempts"], row["uploading"], _image(row).locations) for row in rows}
        return standings(store, wanted, images, self._table.removals())

    def _granted(self, row: Row, stores: Sequence[str], *, status: str) -> Attempt:
        """Makes another attempt the owner of the image. Raises ImageConflict if somebody else was first."""
        number = row["attempts"] + 1
        values = {"status": status, "attempts": number, "uploading": number, "writes_to": ",".join(stores)}
        expected = {"status": row["status"], "attempts": row["attempts"], "uploading": 0}
        if not self._table.change(row["id"], expected, {**values, "lease_until": self._until()}, ()):
            raise errors.ImageConflict(f"Image {row['id']} was taken by somebody else at the same moment.")
        return _attempt({**row, **values})

    def _end(self, row: Row, attempt: Attempt, stores: Iterable[str], **seen: Any) -> bool:
        """Takes the image from the attempt if it still has it. A deleted image stays deleted, a copied one active."""
        status = "queued" if row["status"] == "saving" else row["status"]
        expected = {"uploading": attempt.number, "status": row["status"], **seen}
        removals = [ObjectId(store, attempt.key) for store in stores]
        return self._table.change(row["id"], expected, {**ENDED, "status": status}, removals)

    def _visible(self, image_id: str, context: object) -> Row:
        row = self._row(image_id)
        if row is None or row["status"] == "deleted" or not self._sees(row, context):
            raise no_such_image(image_id)
        return row

    def _row(self, image_id: str) -> Row | None:
        return next(iter(self._table.find([image_id])), None)

    def _until(self) -> int:
        return int((self._clock() + self._lease) * 1000)


def _attempt(row: Row) -> Attempt:
    stores = tuple(name for name in row["writes_to"].split(",") if name)
    return Attempt(row["id"], row["uploading"], row["owner"], row["disk_format"], row["container_format"], stores)


def _image(row: Row) -> StoredImage:
    return StoredImage(
        row["id"], row["status"], size=row["size"], checksum=row["checksum"], hash_algo=row["hash_algo"],
        hash_value=row["hash_value"], locations=[Location(*each) for each in json.loads(row["locations"] or "[]")],
    )  # fmt: skip


def _text(locations: Iterable[Location]) -> str:
    return json.dumps([[location.store, location.key, location.url] for location in locations])


def _left_out(attempt: Attempt, locations: Sequence[Location]) -> Sequence[ObjectId]:
    reached = {location.store for location in locations}
    return [ObjectId(store, attempt.key) for store in attempt.stores if store not in reached]
