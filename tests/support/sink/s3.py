"""The S3 API of a sink: enough of it for uploads, whole or in parts, reading, deleting. Amazon's limits do not hold."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import socket
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from tests.support.sink.bodies import Measured
from tests.support.sink.server import Handler, Operation, Sink

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
WHEN = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class S3Object:
    """What is kept of an object: its size in bytes, its ETag without quotes, the sizes of its parts."""

    size: int
    etag: str
    parts: tuple[int, ...] = ()


@dataclass
class Upload:
    """A multipart upload that is open."""

    name: str
    parts: dict[int, Measured] = field(default_factory=dict)


class S3Sink(Sink):
    """`objects` by `bucket/key`, `uploads` by their identifiers. Operations have the names of Amazon's API."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, S3Object] = {}
        self.uploads: dict[str, Upload] = {}
        self._numbers = itertools.count(1)

    def add(self, name: str, size: int) -> S3Object:
        """Makes an object up."""
        self.objects[name] = S3Object(size, hashlib.md5(f"{name} {size}".encode()).hexdigest())
        return self.objects[name]

    def new_upload(self, name: str) -> str:
        """The identifier of a new multipart upload."""
        with self.lock:
            upload = f"upload-{next(self._numbers)}"
            self.uploads[upload] = Upload(name)
        return upload

    def _serve(self, connection: socket.socket) -> None:
        _S3Handler(connection, self)


class _S3Handler(Handler[S3Sink]):
    def route(self) -> Operation:
        in_bucket = "/" in self.path_parts
        upload = "uploadId" in self.query
        choices: dict[tuple[str, bool], Operation] = {
            ("PUT", True): ("UploadPart", self._upload_part) if upload else ("PutObject", self._put),
            ("POST", True): ("CompleteMultipartUpload", self._complete)
            if upload
            else ("CreateMultipartUpload", self._create),
            ("DELETE", True): ("AbortMultipartUpload", self._abort) if upload else ("DeleteObject", self._delete),
            ("GET", True): ("GetObject", self._get),
            ("HEAD", True): ("HeadObject", self._get),
            ("HEAD", False): ("HeadBucket", lambda: self.reply(200)),
            ("PUT", False): ("CreateBucket", lambda: self.reply(200)),
            ("GET", False): ("ListMultipartUploads", self._uploads)
            if "uploads" in self.query
            else ("ListObjects", self._list),
        }
        return choices.get((self.command, in_bucket), ("unknown", lambda: self._error(501, "NotImplemented")))

    def _put(self) -> None:
        body = self.measure()
        if self._bad_digest(body):
            self._error(400, "BadDigest")
        elif self._taken():
            self._error(412, "PreconditionFailed")
        else:
            self.sink.objects[self.path_parts] = S3Object(body.size, body.etag)
            self.reply(200, ETag=f'"{body.etag}"')

    def _create(self) -> None:
        self.read()
        self._tell("InitiateMultipartUploadResult", UploadId=self.sink.new_upload(self.path_parts))

    def _upload_part(self) -> None:
        body = self.measure()
        upload = self.sink.uploads.get(self.query["uploadId"])
        if upload is None:
            self._error(404, "NoSuchUpload")
        elif self._bad_digest(body):
            self._error(400, "BadDigest")
        else:
            upload.parts[int(self.query["partNumber"])] = body
            self.reply(200, ETag=f'"{body.etag}"')

    def _complete(self) -> None:
        wanted = _parts(self.read())
        upload = self.sink.uploads.get(self.query["uploadId"])
        if upload is None:
            self._error(404, "NoSuchUpload")
        elif not wanted or any(
            number not in upload.parts or upload.parts[number].etag != etag for number, etag in wanted
        ):
            self._error(400, "InvalidPart")
        elif self._taken():
            self._error(412, "PreconditionFailed")
        else:
            self._finish([upload.parts[number] for number, _ in wanted])

    def _finish(self, parts: list[Measured]) -> None:
        digest = hashlib.md5(b"".join(part.md5 for part in parts)).hexdigest()
        sizes = tuple(part.size for part in parts)
        made = S3Object(sum(sizes), f"{digest}-{len(parts)}", sizes)
        del self.sink.uploads[self.query["uploadId"]]
        self.sink.objects[self.path_parts] = made
        self._tell(
            "CompleteMultipartUploadResult", Location=f"{self.sink.url}/{self.path_parts}", ETag=f'"{made.etag}"'
        )

    def _abort(self) -> None:
        gone = self.sink.uploads.pop(self.query["uploadId"], None)
        if gone is None:
            self._error(404, "NoSuchUpload")
        else:
            self.reply(204)

    def _delete(self) -> None:
        self.sink.objects.pop(self.path_parts, None)
        self.reply(204)

    def _get(self) -> None:
        found = self.sink.objects.get(self.path_parts)
        if found is None:
            self._error(404, "NoSuchKey")
        elif self.headers.get("If-Match", found.etag).strip('"') != found.etag:
            self._error(412, "PreconditionFailed")
        else:
            self.reply_content(found.size, ETag=f'"{found.etag}"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")

    def _list(self) -> None:
        objects = {name.partition("/")[2]: made for name, made in self.sink.objects.items() if self._listed(name)}
        entries = [
            "<Contents>" + _element("Key", key) + _element("LastModified", WHEN) + _element("Size", str(made.size))
            + _element("ETag", f'"{made.etag}"') + "</Contents>" for key, made in sorted(objects.items())
        ]  # fmt: skip
        self._xml(
            "ListBucketResult", _element("IsTruncated", "false"), _element("KeyCount", str(len(entries))), *entries
        )

    def _uploads(self) -> None:
        entries = [
            "<Upload>" + _element("Key", upload.name.partition("/")[2]) + _element("UploadId", identifier)
            + _element("Initiated", WHEN) + "</Upload>"
            for identifier, upload in self.sink.uploads.items() if self._listed(upload.name)
        ]  # fmt: skip
        self._xml("ListMultipartUploadsResult", _element("IsTruncated", "false"), *entries)

    def _listed(self, name: str) -> bool:
        return name.startswith(f"{self.path_parts}/{self.query.get('prefix', '')}")

    def _taken(self) -> bool:
        return self.headers.get("If-None-Match") == "*" and self.path_parts in self.sink.objects

    def _bad_digest(self, body: Measured) -> bool:
        said = self.headers.get("Content-MD5")
        return said is not None and base64.b64decode(said) != body.md5

    def _error(self, status: int, code: str) -> None:
        body = f"<Error>{_element('Code', code)}{_element('Message', code)}</Error>".encode()
        self.reply(status, body, Content_Type="application/xml")

    def _tell(self, kind: str, **texts: str) -> None:
        """An answer of some elements, the object's bucket and key among them."""
        bucket, _, key = self.path_parts.partition("/")
        self._xml(kind, *(_element(name, text) for name, text in {"Bucket": bucket, "Key": key, **texts}.items()))

    def _xml(self, name: str, *elements: str) -> None:
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{NAMESPACE}">{"".join(elements)}</{name}>'
        self.reply(200, body.encode(), Content_Type="application/xml")


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _parts(body: bytes) -> list[tuple[int, str]]:
    """Numbers and ETags of what CompleteMultipartUpload lists, whatever namespace it has."""
    root = ET.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body))
    return [
        (int(part.findtext("PartNumber") or 0), (part.findtext("ETag") or "").strip('"')) for part in root.iter("Part")
    ]
