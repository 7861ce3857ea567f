"""Objects being read: the pieces of a driver's iterator, each within the store's patience.

Such drivers have no ETag, so a read that breaks is not resumed: nobody knows whether it would go on in the same object.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgstore.driver import ObjectReader
from imgstore.drivers.glance_store.bridge import Bridge
from imgstore.model import ObjectInfo


class GlanceStoreReader(ObjectReader):
    """Memory: one piece of the driver's."""

    def __init__(self, bridge: Bridge, info: ObjectInfo, start: int) -> None:
        self.info = info
        self._bridge = bridge
        self._pieces: Iterator[bytes] = bridge.read(info.key, start)
        self._rest = memoryview(b"")

    def _read(self, size: int) -> bytes:
        while not self._rest:
            piece = self._bridge.timed("reading", lambda: next(self._pieces, None))
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        data = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return data

    def _close(self) -> None:
        """An iterator that waits for the storage cannot be closed; it ends by itself."""
        self._rest = memoryview(b"")
        close = getattr(self._pieces, "close", None)
        if close is not None:
            self._bridge.timed("closing", close)
