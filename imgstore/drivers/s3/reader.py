"""Objects being read from S3: one request for a range, pinned to the object by its ETag (law 9).

The server compares the ETag where it can, and it is compared again here, together with the size and with the range that
the answer says it has. Resuming and reading ahead are the work of `imgstore.driver.ranged`. Memory (law 6): what the
connection buffers;
with `read_concurrency` above 1 `(read_concurrency + 1) * read_block_size` bytes besides.

What this module refuses to do: deliver bytes that the answer does not say are the ones asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from imgstore import errors
from imgstore.driver.ranged import Body, Opened, RangedReader
from imgstore.driver.reader import EmptyReader, ObjectReader
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.integrity import etag_of
from imgstore.drivers.s3.objects import Objects
from imgstore.drivers.s3.settings import Settings
from imgstore.model import ObjectInfo

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", re.ASCII)


class ReceivedBody:
    """A body of the server's; at its end the connection is free for the next request."""

    def __init__(self, body: StreamingBody) -> None:
        self._body = body

    def read(self, size: int) -> bytes:
        """See Body."""
        with translated("reading"):
            return self._body.read(size)

    def close(self) -> None:
        """See Body: in the middle the connection is closed, since the rest of the body is on its way."""
        self._body.close()


def open_reader(
    objects: Objects, settings: Settings, key: str, *, start: int, stop: int | None, etag: str | None
) -> ObjectReader:
    """See StoreDriver."""
    block = None if settings.read_concurrency == 1 else start + settings.read_block_size
    wanted = min((end for end in (stop, block) if end is not None), default=None)
    try:
        opened = _opened(objects, key, start, wanted, etag)
        if opened.info.etag is None and wanted != stop:  # no further range could be known to be of the same object
            opened.body.close()
            opened = _opened(objects, key, start, stop, etag)
    except _NothingThere:
        return EmptyReader(objects.info(key))
    end = opened.info.size if stop is None else min(stop, opened.info.size)

    def fetch(start: int, stop: int) -> Body:
        return _same_object(objects, opened.info, start, stop)

    return RangedReader(
        opened, stop=end, fetch=fetch, block_size=settings.read_block_size, concurrency=settings.read_concurrency
    )


class _NothingThere(Exception):
    """No byte of the range exists."""


def _same_object(objects: Objects, info: ObjectInfo, start: int, stop: int) -> Body:
    """Later bytes of the object `info`. Raises ObjectChanged for those of any other."""
    if info.etag is None:
        raise errors.ObjectChanged("The object has no ETag by which it could be known again.")
    try:
        opened = _opened(objects, info.key, start, stop, info.etag)
    except _NothingThere:
        raise errors.ObjectChanged("The object changed in the store: it has become shorter.") from None
    if (opened.info.etag, opened.info.size) != (info.etag, info.size):
        opened.body.close()
        raise errors.ObjectChanged("The object changed in the store.")
    return opened.body


def _opened(objects: Objects, key: str, start: int, stop: int | None, etag: str | None) -> Opened:
    with translated("reading"):
        try:
            answer = objects.get(key, start=start, stop=stop, etag=etag)
        except ClientError as error:
            if s3_errors.status_of(error) == 416:
                raise _NothingThere from None
            if s3_errors.code_of(error) in s3_errors.PRECONDITION:
                raise errors.ObjectChanged("The object changed in the store.") from None
            raise
    try:
        return _described(key, start, stop, answer)
    except errors.StoreError:
        answer["Body"].close()
        raise


def _described(key: str, start: int, stop: int | None, answer: GetObjectOutputTypeDef) -> Opened:
    """What the answer has, held against what was asked for."""
    match = _CONTENT_RANGE.fullmatch(answer.get("ContentRange") or "")
    if match is None:
        first, last, size = 0, answer["ContentLength"], answer["ContentLength"]
    else:
        first, last, size = int(match[1]), int(match[2]) + 1, int(match[3])
    if first != start:
        raise errors.StoreUnavailable("Image storage does not deliver the range that it was asked for.")
    end = last if stop is None else min(stop, last)
    info = ObjectInfo(key, size, etag_of(answer), answer["LastModified"].timestamp())
    return Opened(info, ReceivedBody(answer["Body"]), start, end)
