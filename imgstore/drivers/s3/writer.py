"""An object being written to S3: one request for a small one, a multipart upload for a large one.

Law 1: both make the object appear whole, and if the key is free (as far as the server compares). Law 3: whatever may
have been begun is removed, an object whose answer was lost among it, told by a marker in its metadata from the object
of anybody else; if the answer to the last request was lost, the object is looked for before anything is decided. Law
10: see `integrity`; pieces that the server confirms nothing of are read back.

Memory (law 6): `multipart_threshold + (concurrency + 1) * part_size` bytes (`imgstore.driver.multipart`); nothing is
copied on the way from there to the socket. Requests: one, or one a part and two. What this module refuses to do: repeat
a request that is not safe to repeat.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from imgstore import errors
from imgstore.driver.multipart import MultipartWriter, Part
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.integrity import Answer, Integrity, Piece, etag_of
from imgstore.drivers.s3.objects import Objects
from imgstore.drivers.s3.read_back import read_back
from imgstore.drivers.s3.request_body import sent
from imgstore.drivers.s3.server_traits import ABSENT, CHECKSUM, Extra
from imgstore.drivers.s3.settings import Settings
from imgstore.drivers.s3.uploads import Uploads
from imgstore.model import ObjectInfo

LATE = 1.0
"""Seconds after which an object is looked for once more whose request got no answer."""


class S3Writer(MultipartWriter[Piece]):
    """Writes one object. `visible`: whether this writer may have made it appear."""

    def __init__(
        self, key: str, *, size: int | None, settings: Settings, objects: Objects, uploads: Uploads,
        integrity: Integrity,
    ) -> None:  # fmt: skip
        super().__init__(
            size=size, sizes=settings.sizes(size), threshold=settings.multipart_threshold,
            concurrency=settings.concurrency,
        )  # fmt: skip
        self._key = key
        self._objects = objects
        self._uploads = uploads
        self._integrity = integrity
        self._traits = objects.traits
        self._marker = secrets.token_hex(16)
        self._algorithm = integrity.algorithm()
        self._upload: str | None = None
        self._begun_unnoticed: float | None = None
        self._visible = False

    def _put(self, data: memoryview) -> ObjectInfo:
        piece = self._integrity.piece(data, 0, self._algorithm)
        wanted = self._objects.new(self._key, self._marker)

        def put(more: dict[str, Any]) -> Answer:
            return self._objects.call(lambda s3: s3.put_object(**wanted, Body=sent(data), **more))

        with translated("storing an object"):
            answer = self._made_visible(lambda: self._traits.send(put, [ABSENT, piece.sent.extra]))
        self._expect_size(answer, len(data))
        self._integrity.judge(piece, data, answer)
        read_back(self._objects, self._integrity, self._key, self._marker, [piece])
        return ObjectInfo(self._key, len(data), etag_of(answer))

    def _begin(self) -> None:
        began = time.monotonic()
        wanted = self._objects.new(self._key, self._marker)
        named = {} if self._algorithm == "md5" else {"ChecksumAlgorithm": self._algorithm.upper()}
        self._begun_unnoticed = began
        with translated("beginning an upload"):
            try:
                answer = self._traits.send(lambda more: self._uploads.begin(**wanted, **more), [Extra(CHECKSUM, named)])
            except ClientError as error:
                if s3_errors.surely_nothing(error):
                    self._begun_unnoticed = None
                raise
            self._upload = answer["UploadId"]
            if s3_errors.retried(answer):
                self._uploads.sweep(self._key, keep=self._upload, since=began)
        self._begun_unnoticed = None
        if CHECKSUM in self._traits.refused:
            self._algorithm = self._integrity.algorithm()

    def _send(self, part: Part) -> Piece:
        piece = self._integrity.piece(part.data, part.offset, self._algorithm)
        try:
            return self._send_once(part, piece)
        except errors.IntegrityError:
            if self.stopping:
                raise
        return self._send_once(part, piece)

    def _send_once(self, part: Part, piece: Piece) -> Piece:
        wanted = {**self._objects.place(self._key), "UploadId": self._upload, "PartNumber": part.number}

        def upload(more: dict[str, Any]) -> Answer:
            return self._objects.call(lambda s3: s3.upload_part(**wanted, Body=sent(part.data), **more))

        with translated("storing a part"):
            answer = self._traits.send(upload, [piece.sent.extra])
        if etag_of(answer) is None:
            raise errors.StoreUnavailable("Image storage gave no name to a part.")
        return self._integrity.judge(piece, part.data, answer)

    def _complete(self, sent: list[Piece], total: int) -> ObjectInfo:
        parts = [
            {"PartNumber": number, "ETag": f'"{piece.etag}"', **piece.parameters}
            for number, piece in enumerate(sent, start=1)
        ]
        wanted = {**self._objects.place(self._key), "UploadId": self._upload, "MultipartUpload": {"Parts": parts}}

        def complete(more: dict[str, Any]) -> Answer:
            return self._objects.call(lambda s3: s3.complete_multipart_upload(**wanted, **more))

        with translated("putting the parts together"):
            answer = self._made_visible(lambda: self._traits.send(complete, [ABSENT]))
        self._upload = None
        self._expect_size(answer, total)
        self._integrity.judge_whole(sent, answer)
        read_back(self._objects, self._integrity, self._key, self._marker, sent)
        return ObjectInfo(self._key, total, etag_of(answer))

    def _discard(self) -> None:
        """Each step is taken, also when another one fails."""
        with translated("removing what was stored"), contextlib.ExitStack() as steps:
            if self._visible:
                steps.callback(self._remove_own)
            if self._begun_unnoticed is not None:
                steps.callback(self._uploads.sweep, self._key, keep=None, since=self._begun_unnoticed)
            if self._upload is not None:
                steps.callback(self._uploads.abort, self._key, self._upload)

    def _made_visible(self, request: Any) -> Answer:
        """The answer to the request that makes the object appear; if that failed, what is there nevertheless, provided
        it is this writer's. Raises what the request raised."""
        self._visible = True
        try:
            answer: Answer = request()
        except (ClientError, BotoCoreError) as error:
            code = s3_errors.code_of(error)
            refused = s3_errors.surely_nothing(error)
            if refused and code not in s3_errors.PRECONDITION | s3_errors.NO_UPLOAD:
                self._visible = False
                raise
            found = self._found_own()
            if found is None:
                self._visible = not refused
                raise
            return found
        return answer

    def _found_own(self) -> Answer | None:
        with contextlib.suppress(errors.StoreError):
            return self._objects.own(self._key, self._marker)
        return None

    def _expect_size(self, answer: Answer, size: int) -> None:
        """An object that was looked up tells its size."""
        if answer.get("ContentLength", size) != size:
            raise errors.IntegrityError(f"The storage holds {answer['ContentLength']} bytes, {size} were sent.")

    def _remove_own(self) -> None:
        found = self._objects.own(self._key, self._marker)
        if found is None:
            time.sleep(LATE)
            found = self._objects.own(self._key, self._marker)
        if found is not None:
            self._objects.remove(self._key)
