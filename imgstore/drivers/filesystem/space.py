"""Room on the filesystem: how much there is, and that images never take the reserve.

A size that is known is compared when the upload begins; a reserve is compared again while bytes arrive, at least every
STEP bytes, and whenever the room seen last is used up. Several uploads at once may pass the reserve by STEP bytes each.
A filesystem that tells nothing about its room (some in user space) is not asked again.
"""

from __future__ import annotations

import os

from imgstore import errors
from imgstore.model import MIB, Space

STEP = 16 * MIB


def room(directory: int, reserve: int) -> Space:
    """Total and free bytes of the filesystem of an open directory, without `reserve`; None where it does not tell."""
    status = os.fstatvfs(directory)
    if status.f_blocks == 0:
        return Space(total=None, free=None)
    total, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    return Space(total=max(0, total - reserve), free=max(0, free - reserve))


def expect_room(directory: int, reserve: int, wanted: int) -> int | None:
    """The bytes that are free beside the reserve (None: not known). Raises StoreFull if they are less than `wanted`."""
    free = room(directory, reserve).free
    if free is not None and free < wanted:
        kept = f" beside the reserve of {reserve}" if reserve else ""
        raise errors.StoreFull(f"Image storage media is full: {free} bytes are free{kept}, {wanted} are needed.")
    return free


class Reserve:
    """Watches over `reserve` bytes of the filesystem for one file being written."""

    def __init__(self, directory: int, reserve: int) -> None:
        self._directory = directory
        self._reserve = reserve
        self._allowed = 0

    def admit(self, length: int) -> None:
        """Before `length` bytes are written. Raises StoreFull if they would be taken from the reserve."""
        if length > self._allowed:
            free = expect_room(self._directory, self._reserve, length)
            self._allowed = max(length, STEP if free is None else min(free, STEP))
        self._allowed -= length
