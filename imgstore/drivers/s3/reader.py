"""Objects being read from S3: one request for a range, pinned to the object by its ETag (never short).

The server compares the ETag if it can. The reader compares it again, with the size and with the range that the answer
says it has, and refuses bytes that are not the ones it asked for. `imgstore.driver.ranged` resumes and reads ahead.
Memory: what the connection buffers; with `read_concurrency` above 1 `(read_concurrency + 1) * read_block_size` bytes
besides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.driver import ObjectReader
from imgstore.driver.ranged import Body, Opened, RangedReader
from imgstore.driver.reader import EmptyReader
from imgstore.drivers.s3.bodies import ReceivedBody
from imgstore.drivers.s3.objects import look_up
from imgstore.drivers.s3.options import S3Options
from imgstore.drivers.s3.requests import Requests, etag_of
from imgstore.model import ObjectInfo

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

PARTIAL = 206
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", re.ASCII)


def open_reader(
    requests: Requests, options: S3Options, key: str, *, start: int, stop: int | None, etag: str | None
) -> ObjectReader:
    """A reader of bytes `start` to `stop` (None: the end), and of the object with that `etag` if the server can compare
    it."""
    block = None if options.read_concurrency == 1 else start + options.read_block_size
    wanted = min((end for end in (stop, block) if end is not None), default=None)
    try:
        opened = _opened(requests, key, start, wanted, etag)
        if opened.info.etag is None and wanted != stop:  # no further range could be known to be of the same object
            opened.body.close()
            opened = _opened(requests, key, start, stop, etag)
    except errors.RangeNotSatisfiable:
        return EmptyReader(look_up(requests, key))
    end = opened.info.size if stop is None else min(stop, opened.info.size)

    def fetch(start: int, stop: int) -> Body:
        return _same_object(requests, opened.info, start, stop)

    return RangedReader(
        opened, stop=end, fetch=fetch, block_size=options.read_block_size, concurrency=options.read_concurrency,
        patience=options.read_timeout,
    )  # fmt: skip


def _same_object(requests: Requests, info: ObjectInfo, start: int, stop: int) -> Body:
    """Later bytes of the object `info`. Raises ObjectChanged for those of any other."""
    if info.etag is None:
        raise errors.ObjectChanged("The object has no ETag by which it could be known again.")
    try:
        opened = _opened(requests, info.key, start, stop, info.etag, once=True)
    except errors.RangeNotSatisfiable:
        raise errors.ObjectChanged("The object changed in the store: it has become shorter.") from None
    if (opened.info.etag, opened.info.size) != (info.etag, info.size):
        opened.body.close()
        raise errors.ObjectChanged("The object changed in the store.")
    return opened.body


def _opened(
    requests: Requests, key: str, start: int, stop: int | None, etag: str | None, *, once: bool = False
) -> Opened:
    answer, body = requests.get_object(key, start=start, stop=stop, etag=etag, once=once)
    try:
        return _described(key, start, stop, answer, body)
    except BaseException:
        body.close()
        raise


def _described(key: str, start: int, stop: int | None, answer: GetObjectOutputTypeDef, body: ReceivedBody) -> Opened:
    """What the answer has, compared with what was asked for."""
    match = _CONTENT_RANGE.fullmatch(answer.get("ContentRange") or "")
    if match is None and answer["ResponseMetadata"]["HTTPStatusCode"] == PARTIAL:
        raise errors.StoreUnavailable("Image storage does not tell which range it delivers.")
    if match is None:
        first, last, size = 0, answer["ContentLength"], answer["ContentLength"]
    else:
        first, last, size = int(match[1]), int(match[2]) + 1, int(match[3])
    if first != start or last > size:
        raise errors.StoreUnavailable("Image storage does not deliver the range that it was asked for.")
    end = last if stop is None else min(stop, last)
    info = ObjectInfo(key, size, etag_of(answer), answer["LastModified"].timestamp())
    return Opened(info, body, start, end)
