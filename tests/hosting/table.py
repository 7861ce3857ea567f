"""A host's two tables in memory, and a clock that a test moves."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imgstore.hosting import ObjectId, Removal

NEW = {
    "owner": "project", "status": "queued", "disk_format": "raw", "container_format": "bare", "attempts": 0,
    "uploading": 0, "lease_until": 0, "writes_to": "", "locations": "", "size": None, "checksum": None,
    "hash_algo": None, "hash_value": None,
}  # fmt: skip


class MemoryTable:
    """Implements ImageTable."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.pending: dict[object, Removal] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def create(self, image_id: str) -> str:
        """Adds a queued image."""
        self.images[image_id] = {"id": image_id, **NEW}
        return image_id

    def find(self, image_ids: Collection[str]) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(self.images[each]) for each in image_ids if each in self.images]

    def uploading(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self.images.values() if row["uploading"]]

    def change(
        self, image_id: str, expected: Mapping[str, Any], values: Mapping[str, Any], removals: Sequence[ObjectId]
    ) -> bool:
        with self._lock:
            row = self.images.get(image_id)
            if row is None or any(row[name] != value for name, value in expected.items()):
                return False
            row.update(values)
            for each in removals:
                number = next(self._numbers)
                self.pending[number] = Removal(number, image_id, each.store, each.key)
            return True

    def removals(self, image_id: str | None = None) -> list[Removal]:
        with self._lock:
            return [each for each in self.pending.values() if image_id in (None, each.image_id)]

    def removed(self, removal: Removal) -> None:
        with self._lock:
            self.pending.pop(removal.id, None)


@dataclass
class Clock:
    """Seconds since the epoch."""

    now: float = field(default=1_000_000.0)

    def __call__(self) -> float:
        return self.now
