"""An object on its way to Swift: one PUT for a small one, else segments in parallel and a manifest.

Law 10: a small object, which is visible at once, goes with its md5, and Swift refuses other bytes. The md5 of a
segment, which nobody sees before the manifest, is reckoned while it is on its way, so that the server need not wait
for it, and compared with what Swift answers; the manifest names it again. The rest is kept by the attempt
(`attempt`) and by the base. Memory (law 6): see `imgstore.driver.multipart`.
"""

from __future__ import annotations

import hashlib

from imgstore.driver.multipart import MultipartWriter, Part
from imgstore.driver.part_sizes import PartSizes
from imgstore.drivers.swift.account import Account, Headers, Path
from imgstore.drivers.swift.attempt import PLAIN, Attempt
from imgstore.drivers.swift.errors import Refusals
from imgstore.drivers.swift.manifest import Segment
from imgstore.model import ObjectInfo


class SwiftWriter(MultipartWriter[Segment]):
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
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        headers = {**self._attempt.headers, "ETag": etag}

        def put(refusals: Refusals) -> Headers:
            path = self._attempt.path
            return self._account.put(path, data, action="storing an object", headers=headers, refusals=refusals)

        return self._attempt.make(put, size=len(data), etag=etag)

    def _begin(self) -> None:
        """Swift is not told of segments to come."""

    def _send(self, part: Part) -> Segment:
        def put(path: Path) -> str:
            return self._account.put_verified(
                path, part.data, action="storing a segment", headers=PLAIN, stopped=lambda: self.stopping
            )

        return self._attempt.segment(part.number, put, size=len(part.data))

    def _complete(self, sent: list[Segment], total: int) -> ObjectInfo:
        return self._attempt.join(sent)

    def _discard(self) -> None:
        self._attempt.discard()
