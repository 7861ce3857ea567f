"""A running Glance with the directories of its stores, and what is asked of it again and again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from imgstore.driver.place import NOTES
from tests.support.client import Answer, Client
from tests.support.glance import GlanceServer

SMALL = 1000
"""Bytes that the store `small` has room for."""


def filesystem_backends(root: Path) -> dict[str, dict[str, object]]:
    """Stores in directories below `root`: an ordinary one, one of any driver, and some that refuse."""
    shared = {"places_dir": root / "places"}
    return {
        "fast:imgstore_file": {**shared, "datadir": root / "fast", "weight": 5, "store_description": "the fast one"},
        "other:imgstore": {**shared, "driver": "filesystem", "datadir": root / "other"},
        "small:imgstore_file": {**shared, "datadir": root / "small", "capacity": SMALL},
        "closed:imgstore_file": {**shared, "datadir": root / "closed", "read_only": True},
        "narrow:imgstore_file": {**shared, "datadir": root / "narrow", "max_transfers": 1, "max_wait": 0},
        "lost:imgstore_file": {**shared, "datadir": root / "lost"},
    }


@dataclass(frozen=True)
class House:
    """What the tests use of it."""

    glance: GlanceServer

    @property
    def client(self) -> Client:
        """Requests to it."""
        return self.glance.client

    def datadir(self, store: str) -> Path:
        """Where a store's files are."""
        return self.glance.root / store

    def files(self, store: str) -> set[str]:
        """What is in a store's directory, hidden or not."""
        return set(os.listdir(self.datadir(store))).difference(NOTES)

    def stored(self, body: bytes, *, store: str) -> str:
        """A new image with data."""
        image = self.client.create()
        answer = self.client.upload(image, body, store=store)
        assert answer.status == 204, answer
        return image

    def refused(self, answer: Answer, status: int, image: str) -> str:
        """The answer's text; the image waits for another upload."""
        assert answer.status == status, answer
        assert self.client.show(image)["status"] == "queued"
        return answer.body.decode()
