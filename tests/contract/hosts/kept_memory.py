"""A table in memory whose dead uploads are recovered: what broken ones are made of."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from imgstore.catalog import MemoryCatalog
from imgstore.model import (
    Attempt,
    DeadAttempt,
    Location,
    Removal,
    Standing,
    StoredImage,
    UploadRequest,
    UploadResult,
    attempt_of,
)
from imgstore.testing import KeptCatalogSubject
from tests.contract.hosts.subjects import MemorySubject


class KeptMemory(MemoryCatalog):
    """`begun` and `overdue`: the attempts under way, and those of them whose lease ran out."""

    lease = 60.0

    def __init__(self) -> None:
        super().__init__()
        self.begun: dict[tuple[str, int], Attempt] = {}
        self.overdue: set[tuple[str, int]] = set()
        self.left: dict[int, Removal] = {}
        self._ids = itertools.count()

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        return self._noted(super().begin(request, stores))

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        attempt, image = super().begin_copy(image_id, stores, context)
        return self._noted(attempt), image

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        super().activate(attempt, result)
        self._ended(attempt, self.left_out(attempt, result.locations))

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        owned = super().release(attempt)
        if owned:
            self._ended(attempt, unremoved)
        return owned

    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        with self._lock:
            owned = [attempt for attempt in attempts if self._owned(attempt) is not None]
            self.overdue -= {(attempt.image_id, attempt.number) for attempt in owned}
            return [attempt for attempt in attempts if attempt not in owned]

    def expired(self) -> Sequence[DeadAttempt]:
        return [DeadAttempt(attempt) for key, attempt in self.begun.items() if key in self.overdue]

    def take_back(self, dead: DeadAttempt) -> bool:
        key = dead.attempt.image_id, dead.attempt.number
        with self._lock:
            if key not in self.overdue:
                return False
            row = self._owned(dead.attempt)
            if row is not None:
                status = "queued" if row.image.status == "saving" else row.image.status
                self._rows[key[0]] = replace(row, image=replace(row.image, status=status), uploading=None)
            self._ended(dead.attempt, dead.attempt.stores)
            return True

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        return [removal for removal in self.left.values() if image_id in (None, removal.image_id)]

    def removed(self, removal: Removal) -> None:
        self.left = {number: each for number, each in self.left.items() if each.id != removal.id}

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        return {key: self._standing(store, key) for key in keys}

    def left_out(self, attempt: Attempt, locations: Sequence[Location]) -> list[str]:
        """The stores of an attempt that it has no location in."""
        return [store for store in attempt.stores if store not in {location.store for location in locations}]

    def _standing(self, store: str, key: str) -> Standing:
        image_id, number = attempt_of(key)
        row = self._rows.get(image_id)
        if any((removal.store, removal.key) == (store, key) for removal in self.left.values()):
            return Standing.REMOVING
        if row is None or number > self._spent.get(image_id, 0):
            return Standing.UNKNOWN
        if key in [location.key for location in row.image.locations]:
            return Standing.LIVE
        return Standing.UNDER_WAY if row.uploading == number else Standing.DEAD

    def _noted(self, attempt: Attempt) -> Attempt:
        self.begun[attempt.image_id, attempt.number] = attempt
        return attempt

    def _ended(self, attempt: Attempt, stores: Sequence[str]) -> None:
        self.overdue.discard((attempt.image_id, attempt.number))
        self.begun.pop((attempt.image_id, attempt.number), None)
        for store in stores:
            number = next(self._ids)
            self.left[number] = Removal(number, attempt.image_id, store, attempt.key)


class KeptSubject(MemorySubject, KeptCatalogSubject):
    """A table in memory that tells which leases ran out."""

    catalog: KeptMemory

    def open(self) -> KeptMemory:
        return self.catalog

    def expire(self, attempt: Attempt) -> None:
        self.catalog.overdue.add((attempt.image_id, attempt.number))
