"""The bytes that every side stores: the same for all, never zeros, and made before the clock starts.

One random block is served again and again, each lap beginning one chunk further, so that serving costs an index and
no copy, whatever the size.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count

MIB = 1024 * 1024
BLOCK_CHUNKS = 64


class Body:
    """`size` bytes in `bytes` objects of `piece` bytes, a divisor of 1 MiB; the last one may be shorter."""

    def __init__(self, size: int, *, piece: int = MIB) -> None:
        if MIB % piece:
            raise ValueError(f"A piece of {piece} bytes does not divide 1 MiB.")
        self.size = size
        self.piece = piece
        self._block = [_cut(chunk, piece) for chunk in _random_chunks(min(BLOCK_CHUNKS, -(-size // MIB)))]

    def __iter__(self) -> Iterator[bytes]:
        left = self.size
        for piece in self._endless() if left else ():
            yield piece if len(piece) <= left else piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    def _endless(self) -> Iterator[bytes]:
        for lap in count():
            for position in range(len(self._block)):
                yield from self._block[(lap + position) % len(self._block)]


class BodyFile:
    """A body as a file that is read in pieces of one size."""

    def __init__(self, body: Body) -> None:
        self._piece = body.piece
        self._pieces = iter(body)

    def read(self, size: int) -> bytes:
        """The next piece; empty at the end."""
        if size != self._piece:
            raise ValueError(f"The body was cut for reads of {self._piece} bytes, not of {size}.")
        return next(self._pieces, b"")


def _random_chunks(number: int) -> Iterator[bytes]:
    source = random.Random(0)
    for _ in range(number):
        yield source.randbytes(MIB)


def _cut(chunk: bytes, piece: int) -> list[bytes]:
    return [chunk[start : start + piece] for start in range(0, len(chunk), piece)]
