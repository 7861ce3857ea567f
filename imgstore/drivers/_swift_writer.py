"""An object on its way to Swift: one PUT for a small one, else segments in parallel and a manifest.

Law 10: Swift gets the md5 of everything that it stores, and what it answers is compared. The rest is kept by the
attempt (`_swift_attempt`) and by the base. Memory (law 6): see `imgstore.parted`.
"""

from __future__ import annotations

import hashlib

from imgstore.drivers._swift_account import Account, Headers, Path
from imgstore.drivers._swift_attempt import PLAIN, Attempt
from imgstore.drivers._swift_errors import Refusals
from imgstore.drivers._swift_manifest import Segment
from imgstore.model import ObjectInfo
from imgstore.parted import PartedWriter
from imgstore.parts import Part, PartSizes


class SwiftWriter(PartedWriter[Segment]):
    """Writes one object."""

    def __init__(
        self,
        attempt: Attempt,
        account: Account,
        *,
        size: int | None,
        sizes: PartSizes,
        threshold: int,
        concurrency: int,
    ) -> None:
        super().__init__(size=size, sizes=sizes, threshold=threshold, concurrency=concurrency)
        self._attempt = attempt
        self._account = account

    def _put(self, data: memoryview) -> ObjectInfo:
        etag = _md5(data)
        headers = {**self._attempt.headers, "ETag": etag}

        def put(refusals: Refusals) -> Headers:
            path = self._attempt.path
            return self._account.put(path, data, action="storing an object", headers=headers, refusals=refusals)

        return self._attempt.make(put, size=len(data), etag=etag)

    def _begin(self) -> None:
        """Swift is not told of segments to come."""

    def _send(self, part: Part) -> Segment:
        etag = _md5(part.data)
        headers = {**PLAIN, "ETag": etag}

        def put(path: Path) -> Headers:
            return self._account.put(
                path, part.data, action="storing a segment", headers=headers, stopped=lambda: self.stopping
            )

        return self._attempt.segment(part.number, put, size=len(part.data), etag=etag)

    def _complete(self, sent: list[Segment], total: int) -> ObjectInfo:
        return self._attempt.join(sent)

    def _discard(self) -> None:
        self._attempt.discard()


def _md5(data: memoryview) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
