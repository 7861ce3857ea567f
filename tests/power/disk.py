"""What may be on a disk after a power cut: a model of what a system call promises, and no more.

A file: each block and the size are durable by its fsync alone, and independent of each other and of its names. A block
that was not synced may be old, new, or whatever it was between; a size without its data reads as zeros. A name: made or
removed for certain by the fsync of its directory alone. Before that, each name may be as it was at any time since, in
any order. That is all that POSIX promises; ext4 promises more (order of data and names), so its states are among these.
"""

from __future__ import annotations

import functools
import itertools
import os.path
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

BLOCK = 16
"""Bytes that a disk writes as a whole, or not at all."""
DIRECTORY = 0
"""The number of everything that is a directory; files have numbers of their own."""

Layout: TypeAlias = "tuple[tuple[str, int, bytes], ...]"
"""Path, number and content of everything that can be reached. Two names of one number are one file."""


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that changed something. `path` below the root; `file` by number; `offset` also for a
    new size."""

    name: str
    path: str = ""
    file: int = DIRECTORY
    offset: int = 0
    data: bytes = b""


@dataclass
class Stored:
    """All that each block and the size of a file may be: first what is durable, last what a process sees."""

    blocks: dict[int, list[bytes]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=lambda: [0])

    def write(self, offset: int, data: bytes) -> None:
        """New bytes; each block of them becomes durable by itself."""
        for position in range(offset - offset % BLOCK, offset + len(data), BLOCK):
            versions = self.blocks.setdefault(position // BLOCK, [bytes(BLOCK)])
            start, stop = max(offset, position), min(offset + len(data), position + BLOCK)
            block = bytearray(versions[-1])
            block[start - position : stop - position] = data[start - offset : stop - offset]
            versions.append(bytes(block))
        self.sizes.append(max(self.sizes[-1], offset + len(data)))

    def sync(self) -> None:
        """What a process sees is durable."""
        self.blocks = {number: versions[-1:] for number, versions in self.blocks.items()}
        self.sizes = self.sizes[-1:]

    def contents(self) -> list[bytes]:
        """Every content that may be found."""
        found: dict[bytes, None] = {}
        for size in dict.fromkeys(self.sizes):
            blocks = [dict.fromkeys(self.blocks.get(number, [bytes(BLOCK)])) for number in range(-(-size // BLOCK))]
            found.update((b"".join(chosen)[:size], None) for chosen in itertools.product(*blocks))
        return list(found)

    def now(self) -> bytes:
        """What a process reads."""
        numbers = range(-(-self.sizes[-1] // BLOCK))
        return b"".join(self.blocks.get(number, [bytes(BLOCK)])[-1] for number in numbers)[: self.sizes[-1]]


class Disk:
    """Calls in, layouts out."""

    def __init__(self) -> None:
        self._files: dict[int, Stored] = {}
        self._names: dict[str, list[int | None]] = {}

    def apply(self, call: Call) -> None:
        """The next call."""
        if call.name == "link":
            self._files.setdefault(call.file, Stored())
            self._names.setdefault(call.path, [None]).append(call.file)
        elif call.name == "unlink":
            self._names[call.path].append(None)
        elif call.name == "sync directory":
            for path in self._names:
                if os.path.dirname(path) == call.path:
                    self._names[path] = self._names[path][-1:]
        else:
            self._apply_to_file(self._files.setdefault(call.file, Stored()), call)

    def layouts(self) -> Iterator[Layout]:
        """Everything that may be found if the power goes now; some twice."""
        contents = functools.cache(lambda number: self._files[number].contents())
        for chosen in itertools.product(*(dict.fromkeys(versions) for versions in self._names.values())):
            found = _reachable(dict(zip(self._names, chosen, strict=True)))
            files = sorted({number for number in found.values() if number != DIRECTORY})
            for data in itertools.product(*map(contents, files)):
                by_number = {DIRECTORY: b"", **dict(zip(files, data, strict=True))}
                yield tuple((path, number, by_number[number]) for path, number in found.items())

    def now(self) -> dict[str, bytes | None]:
        """What a process finds: each path and its content, None for a directory."""
        current = {path: versions[-1] for path, versions in self._names.items()}
        found = _reachable(current).items()
        return {path: None if number == DIRECTORY else self._files[number].now() for path, number in found}

    def _apply_to_file(self, stored: Stored, call: Call) -> None:
        if call.name == "write":
            stored.write(call.offset, call.data)
        elif call.name == "extend":
            stored.sizes.append(max(call.offset, stored.sizes[-1]))
        elif call.name == "sync":
            stored.sync()


def _reachable(names: dict[str, int | None]) -> dict[str, int]:
    """The names that are there, parents first, without those whose directory is not."""
    found: dict[str, int] = {}
    for path in sorted(names):
        number, parent = names[path], os.path.dirname(path)
        if number is not None and (not parent or parent in found):
            found[path] = number
    return found
