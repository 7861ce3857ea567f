"""Bytes of a file that a server sends by itself (`sendfile`), without reading them; they pass from driver to server."""

from __future__ import annotations

from dataclasses import dataclass

SENDS_FILES = "imgstore.sends_files"
"""In the environ of a WSGI server: whether it sends a `FileSpan` that an application yields in place of bytes."""


@dataclass(slots=True)
class FileSpan:
    """`size` bytes at `offset` of the open file `fd`, which stays open until the next one is asked for. Who sends it
    sets `sent`; where that is less than `size`, the rest is read, and so it is found out what is wrong with the file.
    Its length, like that of other chunks, is what was sent."""

    fd: int
    offset: int
    size: int
    sent: int = 0

    def __len__(self) -> int:
        return self.sent
