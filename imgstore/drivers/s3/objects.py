"""Objects of one folder of one bucket: names, looking up, opening ranges, removing, listing.

A key `k` is the object `prefix + k`. Names with a leading dot are the driver's own, since no key has one. What this
module refuses to do: write, or take the bucket's absence for an object's: a bare 404 is followed up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from imgstore import errors
from imgstore.driver.base import check_key
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.client import Connection
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.integrity import etag_of
from imgstore.drivers.s3.server_traits import Extra, Traits
from imgstore.drivers.s3.settings import Settings
from imgstore.model import ObjectInfo

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

MARKER = "imgstore-attempt"
"""The user metadata by which a writer knows its own object again."""
PROBE = ".imgstore-probe-"
"""How the name of a check's object begins, which no image can have."""
_PROBE = re.compile(re.escape(PROBE) + r"[0-9a-f]{16}", re.ASCII)


class Objects:
    """The folder."""

    def __init__(self, connection: Connection, settings: Settings, traits: Traits) -> None:
        self.connection = connection
        self.call = connection.call
        self.traits = traits
        self.prefix = settings.prefix
        self.bucket = {"Bucket": settings.bucket}
        self._attributes = _attributes(settings)

    def place(self, key: str) -> dict[str, Any]:
        """The parameters that every request for an object has."""
        return {**self.bucket, "Key": self.prefix + key}

    def new(self, key: str, marker: str) -> dict[str, Any]:
        """The parameters that every request has which begins an object."""
        return {**self.place(key), **self._attributes, "Metadata": {MARKER: marker}}

    def own_name(self, name: str) -> str | None:
        """What a full name is called in this folder; None for what is not this store's."""
        short = name[len(self.prefix) :] if name.startswith(self.prefix) else ""
        return short if is_key(short) or is_probe(short) else None

    def head(self, key: str, **more: Any) -> HeadObjectOutputTypeDef:
        """What the server says of an object. Raises ObjectNotFound, StoreUnavailable."""
        with translated("looking up an object"):
            try:
                return self.call(lambda s3: s3.head_object(**self.place(key), **more))
            except ClientError as error:
                if s3_errors.code_of(error) in s3_errors.MISSING:
                    self.expect_bucket()
                raise

    def info(self, key: str) -> ObjectInfo:
        """An object's description. Raises ObjectNotFound, StoreUnavailable."""
        found = self.head(key)
        return ObjectInfo(key, found["ContentLength"], etag_of(found), found["LastModified"].timestamp())

    def get(self, key: str, *, start: int, stop: int | None, etag: str | None = None) -> GetObjectOutputTypeDef:
        """An open body, of the object with that `etag` if one is given and the server can compare it. Raises what
        botocore raises: what a refusal means depends on who asks."""
        wanted = self.place(key)
        if start or stop is not None:
            wanted["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        pin = [] if etag is None else [Extra("If-Match", {"IfMatch": f'"{etag}"'})]
        return self.traits.send(lambda more: self.call(lambda s3: s3.get_object(**wanted, **more)), pin)

    def remove(self, key: str) -> None:
        """Removes an object, which need not be there. Raises StoreUnavailable."""
        with translated("deleting"):
            self.call(lambda s3: s3.delete_object(**self.place(key)))

    def own(self, key: str, marker: str) -> HeadObjectOutputTypeDef | None:
        """What the server says of an object that was written with this `marker`; None if there is none."""
        try:
            found = self.head(key, ChecksumMode="ENABLED")
        except errors.ObjectNotFound:
            return None
        return found if found.get("Metadata", {}).get(MARKER) == marker else None

    def expect_bucket(self) -> None:
        """Raises what botocore raises for a bucket that is not there; one that may not be asked for may be there."""
        try:
            self.call(lambda s3: s3.head_bucket(Bucket=self.bucket["Bucket"]))
        except ClientError as error:
            if s3_errors.status_of(error) == 404:
                error.response["Error"]["Code"] = "NoSuchBucket"
                raise
            if not 400 <= s3_errors.status_of(error) < 500:
                raise

    def listing(self, *, start: str = "") -> Iterator[ObjectInfo]:
        """Every object in the folder itself whose name begins with `start`, the name without the folder as its key.
        Raises what botocore raises."""
        wanted = {**self.bucket, "Prefix": self.prefix + start, "Delimiter": "/"}
        while True:
            page = self.call(partial(_page, wanted))
            for found in page.get("Contents", []):
                name = found["Key"][len(self.prefix) :]
                yield ObjectInfo(name, found["Size"], etag_of(found), found["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            wanted["ContinuationToken"] = page["NextContinuationToken"]


def is_key(name: str) -> bool:
    """Whether an object of this name in the folder is an image's."""
    try:
        check_key(name)
    except errors.InvalidKey:
        return False
    return True


def is_probe(name: str) -> bool:
    """Whether an object of this name in the folder is one that a check made."""
    return _PROBE.fullmatch(name) is not None


def _page(wanted: dict[str, Any], s3: Any) -> Any:
    return s3.list_objects_v2(**wanted)


def _attributes(settings: Settings) -> dict[str, Any]:
    found = {
        "ContentType": "application/octet-stream",
        "StorageClass": settings.storage_class,
        "ServerSideEncryption": settings.encryption,
        "SSEKMSKeyId": settings.kms_key_id,
        "Tagging": urlencode(settings.tags) or None,
    }
    return {name: value for name, value in found.items() if value is not None}
