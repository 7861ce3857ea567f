"""A running Glance with the directories of its stores, and what is asked of it again and again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from imgstore.driver.place import NOTES
from imgstore.model import MIB
from imgstore.testing.faults import FaultProxy
from tests.support.client import Answer, Client, send
from tests.support.glance import GlanceServer
from tests.support.moto import MotoBucket
from tests.support.swift import SwiftAccount

PART = 5 * MIB
"""Bytes of a part of a large object: the least that S3 takes."""
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
class Objects:
    """Where the stores `cold` (S3) and `vault` (Swift) keep their objects, and what makes them fail."""

    bucket: MotoBucket
    account: SwiftAccount
    proxies: dict[str, FaultProxy]

    def everything(self, store: str) -> set[str]:
        """All that is there, parts and segments and open uploads too."""
        found = self.bucket.everything() if store == "cold" else self.account.everything()
        return {name for name in found if name not in NOTES}

    def remove(self, store: str, key: str) -> None:
        """Takes an object away, past the store."""
        if store == "vault":
            assert self.account.delete(f"images/{key}").status == 204
            return
        signed = {"Authorization": "AWS any:any"}
        assert send("DELETE", f"{self.bucket.endpoint}/{self.bucket.name}/{key}", headers=signed).status == 204

    def heal(self) -> None:
        """Nothing fails any more."""
        for proxy in self.proxies.values():
            proxy.heal()


def object_backends(root: Path, objects: Objects) -> dict[str, dict[str, object]]:
    """Their sections: parts are small, and what fails is told soon."""
    shared = {"places_dir": root / "places", "max_attempts": 2, "read_timeout": 5, "read_block_size": PART}
    s3, swift = objects.bucket, objects.account
    return {
        "cold:imgstore_s3": {
            **shared, "endpoint_url": objects.proxies["cold"].url, "bucket": s3.name, "region": s3.region,
            "access_key": s3.access_key, "secret_key": s3.secret_key, "part_size": PART, "multipart_threshold": PART,
        },
        "vault:imgstore_swift": {
            **shared, "auth_version": 1, "auth_url": f"{objects.proxies['vault'].url}/auth/v1.0",
            "username": swift.login, "password": swift.key, "container": "images", "create_container": True,
            "segment_size": PART, "large_object_threshold": PART, "quota_age": 0,
        },
        "tenants:imgstore_swift": {
            **shared, "auth_version": 1, "multi_tenant": True, "container": "images", "segment_size": PART,
            "large_object_threshold": PART, "endpoint": f"{objects.proxies['vault'].url}/v1/AUTH_%(project_id)s",
        },
    }  # fmt: skip


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
