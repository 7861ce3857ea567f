"""The objects that a check makes: a small one and one of two parts, both removed with all their versions.

A bucket that keeps versions would keep every probe for ever. So each is removed by the version that the answer named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from imgstore import errors
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.options import S3Options
from imgstore.drivers.s3.reader import open_reader
from imgstore.drivers.s3.requests import Answer, Requests, etag_of

MARK = "probe"
SMALLEST_PART = 5 * 1024**2
"""Bytes of a part that every server takes, unless part_size is less."""
ACROSS = 4
"""Bytes before and behind the border of the parts that are read."""


class Probe:
    """The object under one name, of which a server may keep several versions."""

    def __init__(self, requests: Requests, options: S3Options, name: str) -> None:
        self.name = name
        self.versioned = False
        self._requests = requests
        self._options = options
        self._versions: set[str | None] = set()

    def make(self, request: Callable[..., Answer], *arguments: Any, **required: Any) -> Answer:
        """The answer to a request that stores the object, whose version is removed in the end."""
        try:
            answer = request(*arguments, **required)
        except errors.StoreError as error:
            if not s3_errors.surely_nothing(error):
                self._versions.add(None)
            raise
        version = answer.get("VersionId")
        self.versioned |= version is not None
        self._versions.add(version)
        return answer

    def is_replaced(self, request: Callable[..., Answer], *arguments: Any) -> bool:
        """Whether the server stores another object under the name, though `request` asks for that only if it is
        free."""
        try:
            self.make(request, *arguments)
        except errors.ObjectExists:
            return False
        return True

    def join(self, upload: str, content: memoryview) -> None:
        """Makes it of two parts, and reads both by one range of the object with that ETag. Raises StoreError."""
        size = min(self._options.part_size, SMALLEST_PART)
        pieces = [memoryview(bytes(size)), content]
        self.make(self._requests.complete_upload, self.name, upload, self.parts(upload, pieces))
        etag = etag_of(self._requests.head_object(self.name))
        start, stop = size - ACROSS, size + ACROSS
        with open_reader(self._requests, self._options, self.name, start=start, stop=stop, etag=etag) as reader:
            reader._arm(start, stop)  # as the base class does, for which a probe's name is no key
            found = b"".join(iter(lambda: reader.read(2 * ACROSS), b""))
        if found != bytes(ACROSS) + content[:ACROSS]:
            raise errors.IntegrityError("The bucket does not give back an object of two parts.")

    def parts(self, upload: str, pieces: Sequence[memoryview]) -> list[Answer]:
        """What completes the upload, after its parts were sent."""
        return [
            {"ETag": f'"{etag_of(self._requests.upload_part(self.name, upload, number, piece))}"'}
            for number, piece in enumerate(pieces, start=1)
        ]

    def remove(self) -> None:
        """Removes what was made; each version, also if another one fails."""
        with contextlib.ExitStack() as steps:
            for version in self._versions:
                steps.callback(self._requests.delete_object, self.name, version)
