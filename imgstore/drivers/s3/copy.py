"""Copies inside one bucket, made by the server: no byte passes through here.

One request copies an object of up to `options.LARGEST_PART` bytes; a larger one is copied in parts, of at most
`max_parts`. The source is pinned by its ETag. The copy is compared by its size, and by its ETag if both ETags are an
md5. A copy replaces no object, and a failed one leaves nothing (undone): whoever asks for a copy calls `discard` then.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from functools import partial

from imgstore import errors
from imgstore.driver.part_sizes import PartSizes
from imgstore.driver.translate import OnFailure, nothing_is_missing
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.objects import look_up, remove_marked
from imgstore.drivers.s3.options import LARGEST_OBJECT, LARGEST_PART, S3Options
from imgstore.drivers.s3.requests import Answer, Requests
from imgstore.drivers.s3.uploads import NewUpload
from imgstore.model import MIB, ObjectInfo

PART = 512 * MIB


class Copy:
    """One copy to the key `target`. `whole`: bytes up to which one request is enough; `part`: bytes of one part of a
    larger object, more if it would need too many."""

    def __init__(
        self, requests: Requests, options: S3Options, target: str, *, whole: int = LARGEST_PART, part: int = PART
    ) -> None:
        self._requests = requests
        self._max_parts = options.max_parts
        self._target = target
        self._whole = whole
        self._part = part
        self._marker = secrets.token_hex(16)
        self._upload = NewUpload(requests, target)
        self._visible = False

    def of(self, source: ObjectInfo) -> ObjectInfo:
        """The new object. Raises ObjectExists, ObjectNotFound, ObjectChanged, IntegrityError, StoreFull,
        StoreUnavailable."""
        with contextlib.suppress(errors.ObjectNotFound):
            self._requests.head_object(self._target)
            raise errors.ObjectExists("An object with that key exists already.")
        if source.size > self._whole:
            self._in_parts(source)
        else:
            self._show(lambda: self._requests.copy_object(source, self._target, self._marker))
        with OnFailure(partial(nothing_is_missing, "looking up a copy")):
            made = look_up(self._requests, self._target)
        self._expect_same(source, made)
        return made

    def discard(self) -> None:
        """Removes every trace, also what a failed request may have made nevertheless. Takes each step, also if another
        one fails. Raises StoreUnavailable."""
        with contextlib.ExitStack() as steps:
            if self._visible:
                steps.callback(remove_marked, self._requests, self._target, self._marker)
            steps.callback(self._upload.discard)

    def _in_parts(self, source: ObjectInfo) -> None:
        size = self.part_size(source.size)
        self._upload.begin(lambda: self._requests.create_upload(self._target, self._marker))
        parts = [self._copy_part(source, start, size) for start in range(0, source.size, size)]
        self._show(lambda: self._requests.complete_upload(self._target, self._upload.identifier, parts))
        self._upload.completed()

    def _show(self, request: Callable[[], object]) -> None:
        """Sends the request that makes the copy appear."""
        self._visible = True
        try:
            request()
        except errors.StoreError as error:
            self._visible = not s3_errors.surely_nothing(error)
            raise

    def part_size(self, size: int) -> int:
        """Bytes of one part of an object of `size` bytes. Raises StoreFull."""
        most = self._max_parts
        sizes = PartSizes.for_size(size, part_size=self._part, most=most, largest=LARGEST_OBJECT, ceiling=LARGEST_PART)
        return sizes.first

    def _copy_part(self, source: ObjectInfo, start: int, size: int) -> Answer:
        stop, number = min(start + size, source.size), start // size + 1
        upload = self._upload.identifier
        answer = self._requests.upload_part_copy(source, start, stop, self._target, upload, number)
        return {"ETag": answer["ETag"]}

    def _expect_same(self, source: ObjectInfo, made: ObjectInfo) -> None:
        both_md5 = all(len(info.etag or "") == 32 for info in (source, made))
        if made.size != source.size or (both_md5 and self._requests.traits.md5_etags and made.etag != source.etag):
            raise errors.IntegrityError("The copy differs from the object that was copied.")
