"""The requests of the S3 API, one method each, for the objects of one folder of one bucket.

Each method raises the library's errors in place of botocore's (`errors`), and leaves out the headers that the server
does not take (`server_traits`). Keys are names without the folder. Retries are `tries`'s, new keys `client`'s.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from imgstore import errors
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.bodies import ReceivedBody
from imgstore.drivers.s3.client import SharedClient
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.options import S3Options
from imgstore.drivers.s3.server_traits import ABSENT_AT_END, CHECKSUM, Extra, Traits, server_time
from imgstore.drivers.s3.tries import Tries
from imgstore.model import ObjectInfo

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        GetObjectOutputTypeDef,
        HeadObjectOutputTypeDef,
        ListMultipartUploadsOutputTypeDef,
        PartTypeDef,
    )

Answer: TypeAlias = "Mapping[str, Any]"

MARKER = "imgstore-attempt"
"""The user metadata by which a writer knows its own object again."""

_ACTIONS = {
    "head_bucket": "looking up the bucket",
    "create_bucket": "creating the bucket",
    "list_objects_v2": "listing objects",
    "head_object": "looking up an object",
    "get_object": "reading",
    "put_object": "storing an object",
    "delete_object": "deleting",
    "copy_object": "copying",
    "generate_presigned_url": "making a URL",
    "create_multipart_upload": "beginning an upload",
    "upload_part": "storing a part",
    "upload_part_copy": "copying a part",
    "complete_multipart_upload": "putting the parts together",
    "abort_multipart_upload": "aborting an upload",
    "list_multipart_uploads": "listing uploads",
    "list_parts": "listing parts",
    "list_object_versions": "listing versions",
}
"""What each of boto3's methods does, as errors say it."""


def etag_of(answer: Answer) -> str | None:
    """The ETag in an answer without its quotes, of a weak one too, as proxies make them that may compress; None for
    none."""
    return str(answer.get("ETag") or "").removeprefix("W/").strip('"') or None


def retried(answer: Answer) -> bool:
    """Whether the request was sent more than once: the first one may have had its effect."""
    return bool(answer.get("ResponseMetadata", {}).get("RetryAttempts"))


class Requests:
    """Sends the requests. Every method raises StoreUnavailable and StoreFull, those that name an object or an upload
    ObjectNotFound too, and WrongPlace for a missing bucket. `prove_place` raises it if this is not the store's place:
    nothing is missing then."""

    def __init__(
        self, options: S3Options, client: SharedClient, traits: Traits, *, prove_place: Callable[[], None]
    ) -> None:
        self.traits = traits
        self.prove_place = prove_place
        self._folder = options.folder
        self._client = client
        self._ahead = 0.0
        self._tries = Tries(options)
        self._bucket = {"Bucket": options.bucket}
        self._attributes = _attributes(options)
        far = options.server_url is None and options.region not in {None, "us-east-1"}
        self._location = {"CreateBucketConfiguration": {"LocationConstraint": options.region}} if far else {}

    def name_in_folder(self, name: str) -> str:
        """A name in the bucket without the folder; empty if it is not in the folder."""
        return name.removeprefix(self._folder) if name.startswith(self._folder) else ""

    def elsewhere(self, folder: str) -> Requests:
        """The same for another folder of the bucket."""
        other = copy.copy(self)
        other._folder = folder
        return other

    def head_bucket(self) -> None:
        """Returns if the bucket is there, or if the keys may not ask for it."""
        try:
            self._send("head_bucket", self._bucket)
        except errors.StoreError as error:
            if s3_errors.status_of(error) == 404 or not 400 <= s3_errors.status_of(error) < 500:
                raise

    def create_bucket(self) -> None:
        """Creates the bucket, unless these keys did so before."""
        try:
            self._send("create_bucket", {**self._bucket, **self._location})
        except errors.StoreError as error:
            if s3_errors.code_of(error) != "BucketAlreadyOwnedByYou":
                raise

    def list_objects(self, beginning: str = "") -> Iterator[ObjectInfo]:
        """Every object in the folder itself whose name begins so, of any name."""
        for page in self._pages("list_objects_v2", self._below(beginning), "ContinuationToken"):
            for found in page.get("Contents", []):
                if name := self.name_in_folder(found["Key"]):
                    yield ObjectInfo(name, found["Size"], etag_of(found), found["LastModified"].timestamp())

    def first_names(self) -> tuple[list[str], list[str]]:
        """The first names in the folder, and the first folders in it, each with its whole name: one page."""
        page = next(self._pages("list_objects_v2", self._below(""), "ContinuationToken"))
        names = [self.name_in_folder(found["Key"]) for found in page.get("Contents", [])]
        return names, [found["Prefix"] for found in page.get("CommonPrefixes", [])]

    def head_object(self, key: str, *, checksums: bool = False) -> HeadObjectOutputTypeDef:
        """What the server says of an object. It does not tell a missing bucket from a missing object."""
        wanted = {**self._at(key), **({"ChecksumMode": "ENABLED"} if checksums else {})}
        answer: HeadObjectOutputTypeDef = self._send("head_object", wanted)
        return answer

    def get_object(
        self, key: str, *, start: int = 0, stop: int | None = None, etag: str | None = None, once: bool = False
    ) -> tuple[GetObjectOutputTypeDef, ReceivedBody]:
        """The answer and its body, of the object with that `etag` if one is given and the server can compare it.
        `once`: who asks tries again by itself. Raises RangeNotSatisfiable, ObjectChanged."""
        wanted = self._at(key)
        if start or stop is not None:
            wanted["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        pin = [] if etag is None else [Extra("If-Match", {"IfMatch": f'"{etag}"'})]
        answer: GetObjectOutputTypeDef = self._send("get_object", wanted, pin, once=once)
        return answer, ReceivedBody(answer["Body"], self._tries.pace())

    def put_object(
        self, key: str, marker: str, data: memoryview, extras: Sequence[Extra] = (), **required: str
    ) -> Answer:
        """Stores an object whole. Raises ObjectExists, IntegrityError."""
        wanted = {**self._new(key, marker), "Body": data, **required}
        answer: Answer = self._send("put_object", wanted, extras)
        return answer

    def delete_object(self, key: str, version: str | None = None) -> None:
        """Removes an object; of a bucket that keeps versions the `version`, or else hides it. S3 does not say if there
        was none."""
        self._send("delete_object", {**self._at(key), **({} if version is None else {"VersionId": version})})

    def copy_object(self, source: ObjectInfo, key: str, marker: str) -> None:
        """Makes a whole copy of an object that has not changed. Raises ObjectChanged."""
        new = self._new(key, marker)
        replaced = {"TaggingDirective": "REPLACE"} if "Tagging" in new else {}
        self._send("copy_object", {**new, **self._source(source), "MetadataDirective": "REPLACE", **replaced})

    def presigned_url(self, key: str, *, seconds: int) -> str:
        """A URL with which anybody may read the object for so long."""
        wanted = {"ClientMethod": "get_object", "Params": self._at(key), "ExpiresIn": seconds}
        return str(self._send("generate_presigned_url", wanted))

    def create_upload(self, key: str, marker: str, algorithm: str = "md5") -> Answer:
        """Begins an upload in parts with checksums of that `algorithm`."""
        named = {} if algorithm == "md5" else {"ChecksumAlgorithm": algorithm.upper()}
        answer: Answer = self._send("create_multipart_upload", self._new(key, marker), [Extra(CHECKSUM, named)])
        return answer

    def upload_part(
        self, key: str, upload: str, number: int, data: memoryview, extras: Sequence[Extra] = (), **required: str
    ) -> Answer:
        """Stores a part. Raises IntegrityError."""
        wanted = {**self._at(key), "UploadId": upload, "PartNumber": number, "Body": data, **required}
        answer: Answer = self._send("upload_part", wanted, extras)
        return answer

    def upload_part_copy(self, source: ObjectInfo, start: int, stop: int, key: str, upload: str, number: int) -> Answer:
        """Copies bytes of an object that has not changed into a part. Raises ObjectChanged."""
        target = {**self._at(key), "UploadId": upload, "PartNumber": number}
        wanted = {**target, **self._source(source), "CopySourceRange": f"bytes={start}-{stop - 1}"}
        found: Answer = self._send("upload_part_copy", wanted)["CopyPartResult"]
        return found

    def complete_upload(self, key: str, upload: str, parts: Sequence[Answer]) -> Answer:
        """Makes the object out of `parts`, each with its `ETag` and its checksum, in order. Raises ObjectExists."""
        listed = [{**part, "PartNumber": number} for number, part in enumerate(parts, start=1)]
        wanted = {**self._at(key), "UploadId": upload, "MultipartUpload": {"Parts": listed}}
        answer: Answer = self._send("complete_multipart_upload", wanted, [ABSENT_AT_END])
        return answer

    def abort_upload(self, key: str, upload: str) -> bool:
        """Whether there was such an upload."""
        try:
            self._send("abort_multipart_upload", {**self._at(key), "UploadId": upload})
        except errors.StoreError as error:
            if s3_errors.code_of(error) not in s3_errors.NO_UPLOAD:
                raise
            return False
        return True

    def list_parts(self, key: str, upload: str) -> Iterator[PartTypeDef]:
        """Every part of an upload."""
        for page in self._pages("list_parts", {**self._at(key), "UploadId": upload}, "PartNumberMarker"):
            yield from page.get("Parts", [])

    def list_uploads(self, beginning: str = "") -> Iterator[ListMultipartUploadsOutputTypeDef]:
        """Pages of the uploads in the folder whose names begin so."""
        return self._pages("list_multipart_uploads", self._below(beginning), "KeyMarker", "UploadIdMarker")

    def list_versions(self, beginning: str = "") -> Iterator[Answer]:
        """Pages of the versions in the folder itself whose names begin so."""
        return self._pages("list_object_versions", self._below(beginning), "KeyMarker", "VersionIdMarker")

    def _pages(self, operation: str, wanted: Mapping[str, Any], *markers: str) -> Iterator[Any]:
        """The pages of a listing; `markers` say where the next one begins, the second one only where a page ends in the
        middle of a key. Raises StoreUnavailable for what is no listing, such as the page of a proxy, which would look
        like an empty one, and for one that does not get on."""
        behind: dict[str, Any] = {}
        while True:
            page = self._send(operation, {**wanted, **behind})
            self._ahead = server_time(page) - time.time()
            if page.keys() == {"ResponseMetadata"}:
                raise errors.StoreUnavailable(f"Image storage gave no listing while {_ACTIONS[operation]}.")
            yield page
            if not page.get("IsTruncated"):
                return
            before, behind = behind, {name: page[f"Next{name}"] for name in markers if page.get(f"Next{name}")}
            if behind == before:
                raise errors.StoreUnavailable(f"Image storage gave the same page again while {_ACTIONS[operation]}.")

    def now(self) -> float:
        """The server's clock, as its last listing told it; this machine's before."""
        return time.time() + self._ahead

    def is_older(self, modified: float, seconds: float) -> bool:
        """Whether that is so many seconds ago by the server's clock, in a listing that is being read. 0: whatever its
        age, since some servers round times up."""
        return not seconds or modified <= self.now() - seconds

    def _below(self, beginning: str) -> dict[str, Any]:
        return {**self._bucket, "Prefix": self._folder + beginning, "Delimiter": "/"}

    def _send(
        self, operation: str, parameters: Mapping[str, Any], extras: Sequence[Extra] = (), *, once: bool = False
    ) -> Any:
        """The answer to a request, with those of the `extras` that the server takes. All its forms and tries have one
        deadline."""
        kept, refused, retries = self.traits.taken(extras), list[Extra](), 0
        self._client.open()
        with translated(_ACTIONS[operation]), self._tries.deadline(operation, len(parameters.get("Body", ""))):
            while True:
                optional = {name: value for extra in kept for name, value in extra.parameters.items()}
                request = partial(self._client.call, operation, {**parameters, **optional})
                try:
                    answer = self._tries.send(operation, request, once=once)
                except ClientError as error:
                    retries = s3_errors.add_retries(error.response, retries)
                    if not kept or not s3_errors.not_taken(error):
                        raise
                    refused.append(kept.pop(0))
                else:
                    self.traits.learn_refused(refused)
                    s3_errors.add_retries(answer, retries)
                    return answer

    def _at(self, key: str) -> dict[str, Any]:
        return {**self._bucket, "Key": self._folder + key}

    def _new(self, key: str, marker: str) -> dict[str, Any]:
        return {**self._at(key), **self._attributes, "Metadata": {MARKER: marker}}

    def _source(self, source: ObjectInfo) -> dict[str, Any]:
        return {"CopySource": self._at(source.key), "CopySourceIfMatch": f'"{source.etag}"'}


def _attributes(options: S3Options) -> dict[str, Any]:
    found = {
        "ContentType": "application/octet-stream",
        "StorageClass": options.storage_class,
        "ServerSideEncryption": options.encryption,
        "SSEKMSKeyId": options.kms_key_id,
        "Tagging": urlencode(options.tags or {}) or None,
    }
    return {name: value for name, value in found.items() if value is not None}
