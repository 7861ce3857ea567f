"""The bodies of requests and answers.

A `SentBody` is what boto3 sends fastest. boto3 takes `bytes` or a file. It wraps bytes into a file, and urllib3 reads
and sends a file in blocks of 16 KiB, each a copy. A `SentBody` answers every `read` with a view of up to a MiB of the
part's memory, whatever was asked for: that saves 0.6 CPU seconds for each GiB. With a file boto3 also waits for `100
Continue`, so a server can refuse before the bytes are sent, and say why.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from imgstore.driver.deadline import Pace
from imgstore.drivers.s3.errors import translated
from imgstore.model import MIB

if TYPE_CHECKING:
    from botocore.response import StreamingBody

VIEW = MIB


class SentBody:
    """A file of bytes that are not copied. boto3 seeks to the start when it repeats a request."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._position = 0

    def __len__(self) -> int:
        return len(self._data)

    def read(self, size: int = -1) -> memoryview:
        """The next bytes; empty at the end. More than a small `size`: urllib3 sends what it gets."""
        view = self._data[self._position : self._position + VIEW]
        self._position += len(view)
        return view

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._data)}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position


def sent(data: memoryview) -> Any:
    """What to give boto3 as Body. For no bytes it is no file: there is nothing to wait for `100 Continue` with."""
    return SentBody(data) if data else bytearray()


class ReceivedBody:
    """The body of an answer, at its pace; at its end the connection is free for the next request."""

    def __init__(self, body: StreamingBody, pace: Pace) -> None:
        self._body = body
        self._pace = pace

    def read(self, size: int | None = None) -> bytes:
        """The next 1 to `size` bytes (None: all); b"" at the end, which may come too early. Raises StoreUnavailable."""
        with translated("reading"), self._pace:
            return self._body.read(size)

    def close(self) -> None:
        """Closes the connection if the rest of the body is still on its way."""
        self._body.close()
