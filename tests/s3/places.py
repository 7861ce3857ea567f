"""Where the S3 tests put their objects: a fresh bucket on one of several servers, and a second pair of eyes on it.

What a place is: the options that lead a driver there, the limits of its server, and `names`, everything that is
physically there. `IMGSTORE_S3_ENDPOINT` names a server of yours, which then takes the place of all others.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from imgstore.driver import StoreDriver
from imgstore.drivers.s3 import S3Driver
from imgstore.model import ObjectInfo
from imgstore.testing.bench import pieces
from tests.s3.support import KEY
from tests.support.moto import MotoServer
from tests.support.rgw import RgwServer
from tests.support.swift import SwiftAccount, SwiftServer

SMALL_PART = 64 * 1024


class Place(ABC):
    """An empty bucket, or an empty folder of one. `part`: bytes of the smallest part that the server takes. `entrance`:
    the URL of a proxy before `endpoint`. `kept`: what may be there at the end of the test; `watched`: whether a fixture
    compares that."""

    part: int = SMALL_PART
    endpoint: str
    entrance: str | None = None
    bucket: str
    access_key: str
    secret_key: str
    region: str
    prefix: str = ""
    ca_file: Path | None = None
    session_token: str | None = None
    max_parts: int = 1000
    watched: bool = True

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self._client: Any = None

    @property
    def options(self) -> dict[str, Any]:
        """What leads a driver there; parts are as small as can be, and retries end soon."""
        return {
            "endpoint_url": self.entrance or self.endpoint, "bucket": self.bucket, "region": self.region,
            "prefix": self.prefix,
            "access_key": self.access_key, "secret_key": self.secret_key, "session_token": self.session_token,
            "part_size": self.part, "max_parts": self.max_parts, "concurrency": 2, "max_attempts": 3,
            "read_block_size": SMALL_PART, **({"ca_bundle": str(self.ca_file)} if self.ca_file else {}),
        }  # fmt: skip

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may hold."""
        return tuple(filter(None, (self.access_key, self.secret_key, self.session_token)))

    def driver(self, **options: Any) -> S3Driver:
        """A driver there; `options` over those of the place."""
        return S3Driver(**{**self.options, **options})

    def put(self, driver: StoreDriver, data: bytes, key: str = KEY, *, declared: bool = True) -> ObjectInfo:
        """Commits an object, in chunks of 10,000 bytes, and keeps it."""
        with driver.open_writer(key, size=len(data) if declared else None) as writer:
            for piece in pieces(data, 10_000):
                writer.write(piece)
            info = writer.commit()
        self.kept.add(key)
        return info

    def client(self) -> Any:
        """The bare client of the server. It is silent: at DEBUG botocore logs the access key."""
        if self._client is None:
            logging.getLogger("botocore").setLevel(logging.INFO)
            session = boto3.session.Session(self.access_key, self.secret_key, self.session_token, self.region)
            trust = str(self.ca_file) if self.ca_file else None
            style = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
            self._client = session.client("s3", endpoint_url=self.endpoint, config=style, verify=trust)
        return self._client

    @abstractmethod
    def names(self) -> set[str]:
        """Everything that is there: the key for what makes up an object, another name for anything else."""

    def clear(self) -> None:
        """Removes what a test left, where the place outlives it."""
        return


class SwiftPlace(Place):
    """A bucket of a fresh account of OpenStack Swift, looked at through Swift's own API."""

    def __init__(self, server: SwiftServer, account: SwiftAccount | None = None) -> None:
        super().__init__()
        self.server = server
        self.account = account or server.account()
        self.bucket = self.account.container()
        self.endpoint, self.region = server.url, server.settings.region
        self.access_key, self.secret_key = self.account.access_key, self.account.key
        self.max_parts = server.settings.s3_max_parts

    def names(self) -> set[str]:
        containers = {self.bucket, f"{self.bucket}+segments"}.intersection(self.account.containers())
        found = {container: set(self.account.objects(container)) for container in containers}
        objects = found.pop(self.bucket, set())
        segments = {f"{container}/{name}" for container, names in found.items() for name in names}
        if segments:
            segments -= {segment for key in objects for segment in self._segments(key)}
        return objects | segments

    def _segments(self, key: str) -> set[str]:
        """The segments that an object refers to."""
        answer = self.account.get(f"{self.bucket}/{key}", query="multipart-manifest=get")
        if "x-static-large-object" not in answer.headers:
            return set()
        return {entry["name"].removeprefix("/") for entry in json.loads(answer.body)}


class MotoPlace(Place):
    """A bucket of moto."""

    def __init__(self, server: MotoServer) -> None:
        super().__init__()
        self._bucket = bucket = server.bucket()
        self.endpoint, self.bucket, self.region = bucket.endpoint, bucket.name, bucket.region
        self.access_key, self.secret_key = bucket.access_key, bucket.secret_key
        self.session_token = "moto-session-token"

    def names(self) -> set[str]:
        return self._bucket.everything()


class ListedPlace(Place):
    """A folder of a bucket, looked at with a bare boto3."""

    def names(self) -> set[str]:
        uploads = {f"{upload['Key']}?uploadId={upload['UploadId']}" for upload in self._uploads()}
        return {name.removeprefix(self.prefix) for name in self._objects() | uploads}

    def clear(self) -> None:
        client = self.client()
        for upload in self._uploads():
            client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for name in self._objects():
            client.delete_object(Bucket=self.bucket, Key=name)

    def _objects(self) -> set[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def _uploads(self) -> list[dict[str, Any]]:
        pages = self.client().get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return [upload for page in pages for upload in page.get("Uploads", [])]


class RgwPlace(ListedPlace):
    """A bucket of a fresh user of Ceph, by TLS or without."""

    def __init__(self, server: RgwServer, *, tls: bool = False) -> None:
        super().__init__()
        account = server.account()
        self.bucket = account.container(f"bucket-{account.access_key.lower()}")
        self.endpoint, self.region = server.tls_url if tls else server.url, "default"
        self.access_key, self.secret_key = account.access_key, account.key
        self.ca_file = server.ca_file if tls else None


class NamedPlace(ListedPlace):
    """A fresh folder of a bucket that the user named, looked at with a bare boto3."""

    def __init__(self) -> None:
        super().__init__()
        environment = os.environ
        self.endpoint = environment["IMGSTORE_S3_ENDPOINT"]
        self.bucket = environment["IMGSTORE_S3_BUCKET"]
        self.region = environment.get("IMGSTORE_S3_REGION", "us-east-1")
        self.access_key = environment["AWS_ACCESS_KEY_ID"]
        self.secret_key = environment["AWS_SECRET_ACCESS_KEY"]
        self.session_token = environment.get("AWS_SESSION_TOKEN")
        self.prefix = f"imgstore-tests/{secrets.token_hex(8)}/"
        self.max_parts = int(environment.get("IMGSTORE_S3_MAX_PARTS", "1000"))
        self.part = int(environment.get("IMGSTORE_S3_PART_SIZE", 5 * 1024**2))
