"""An object being written to S3: one request for a small one, a multipart upload for a large one.

Atomic: both make the object appear whole, and only if the key is free, as far as the server compares. Undone: the
writer removes whatever it may have begun. If the answer to the last request was lost, it looks for the object first; a
marker in the object's metadata tells its own object from anybody else's. Accounted for: `integrity` compares what the
server confirms, and reads back what it does not.

Bounded memory: `multipart_threshold + (concurrency + 1) * part_size` bytes (`imgstore.driver.multipart`); nothing is
copied on the way from there to the socket. Requests: one, or one for each part and two.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from imgstore import errors
from imgstore.driver.multipart import MultipartWriter, Part
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.integrity import Integrity, Piece
from imgstore.drivers.s3.objects import marked, remove_marked
from imgstore.drivers.s3.options import S3Options
from imgstore.drivers.s3.requests import Answer, Requests, etag_of
from imgstore.drivers.s3.server_traits import ABSENT, ABSENT_AT_END, CHECKSUM, Extra
from imgstore.drivers.s3.uploads import NewUpload
from imgstore.model import ObjectInfo


class S3Writer(MultipartWriter[Piece]):
    """Writes one object. `visible`: whether this writer may have made it appear."""

    def __init__(
        self, key: str, *, size: int | None, options: S3Options, requests: Requests, integrity: Integrity
    ) -> None:
        sizes = options.part_sizes(size)
        super().__init__(size=size, sizes=sizes, threshold=options.threshold, concurrency=options.concurrency)
        self._key = key
        self._requests = requests
        self._integrity = integrity
        self._marker = secrets.token_hex(16)
        self._algorithm = integrity.algorithm()
        self._upload = NewUpload(requests, key)
        self._visible = False

    def _put(self, data: memoryview) -> ObjectInfo:
        piece = self._integrity.piece(data, 0, self._algorithm)
        extras = [ABSENT, piece.sent.extra]
        self._expect_free(ABSENT)
        answer = self._made_visible(self._requests.put_object, self._key, self._marker, data, extras)
        self._expect_size(answer, len(data))
        self._integrity.judge(piece, data, answer)
        self._integrity.read_back(self._key, self._marker, [piece])
        return ObjectInfo(self._key, len(data), etag_of(answer))

    def _begin(self) -> None:
        self._upload.begin(lambda: self._requests.create_upload(self._key, self._marker, self._algorithm))
        if CHECKSUM in self._requests.traits.refused:
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
        upload, extras = self._upload.identifier, [piece.sent.extra]
        answer = self._requests.upload_part(self._key, upload, part.number, part.data, extras)
        if etag_of(answer) is None:
            raise errors.StoreUnavailable("Image storage gave no name to a part.")
        return self._integrity.judge(piece, part.data, answer)

    def _complete(self, sent: Sequence[Piece], total: int) -> ObjectInfo:
        parts = [{"ETag": f'"{piece.etag}"', **piece.parameters} for piece in sent]
        self._expect_free(ABSENT_AT_END)
        answer = self._made_visible(self._requests.complete_upload, self._key, self._upload.identifier, parts)
        self._upload.completed()
        self._expect_size(answer, total)
        self._integrity.judge_whole(sent, answer)
        self._integrity.read_back(self._key, self._marker, sent)
        return ObjectInfo(self._key, total, etag_of(answer))

    def _discard(self) -> None:
        """Takes each step, also if another one fails."""
        with contextlib.ExitStack() as steps:
            if self._visible:
                steps.callback(remove_marked, self._requests, self._key, self._marker)
            steps.callback(self._upload.discard)

    def _made_visible(self, request: Callable[..., Answer], *arguments: Any) -> Answer:
        """The answer to the request that makes the object appear. If the request failed, but this writer's object is
        there: what the server says of the object. Raises what the request raised."""
        self._visible = True
        try:
            return _named(request(*arguments))
        except errors.StoreError as error:
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

    def _found_own(self) -> Answer | None:
        with contextlib.suppress(errors.StoreError):
            return marked(self._requests, self._key, self._marker)
        return None

    def _expect_free(self, condition: Extra) -> None:
        """Raises ObjectExists where another object has the key, if the server does not know the condition."""
        if condition.trait not in self._requests.traits.refused:
            return
        try:
            self._requests.head_object(self._key)
        except errors.ObjectNotFound:
            return
        raise errors.ObjectExists("An object with that key exists already.")

    def _expect_size(self, answer: Answer, size: int) -> None:
        """An object that was looked up tells its size."""
        if answer.get("ContentLength", size) != size:
            raise errors.IntegrityError(f"The storage holds {answer['ContentLength']} bytes, {size} were sent.")


def _named(answer: Answer) -> Answer:
    """The answer, if it names an object: what a proxy answers by itself does not, whatever its status. Some servers
    name one that is made of parts by an empty ETag. Raises StoreUnavailable."""
    if "ETag" not in answer:
        raise errors.StoreUnavailable("Image storage did not say which object it has stored.")
    return answer
