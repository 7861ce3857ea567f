"""One measurement of one side: in a process of its own, on a place that is empty before and afterwards.

Each comparison has a module that is run as that process, and says so in a `Child`; the order comes as JSON. The memory
of a side that is another program is that program's; of the others, what is beyond idle (`bench.measure`). What a place
is - a bucket, an account - and how it is looked at is the comparison's; never by the code under test.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Generic

from bench.measure import Measurement, SideFailed, in_child, measured
from bench.network.sides import DOWN, A, Side
from bench.sides import Run


@dataclass(frozen=True)
class Child(Generic[A]):
    """The process that runs `module`. `runs` prepare a side, by who and action; `programs`: who is another program."""

    module: str
    sides: Mapping[str, Side]
    runs: Mapping[tuple[str, str], Callable[[Side, int, A], Run]]
    access: type[A]
    programs: Collection[str]

    def measure(self, side: str, *, size: int, access: A) -> Measurement:
        """In the parent: runs `side` once in a fresh process. Raises SideFailed."""
        return in_child(self.module, {"side": side, "size": size, "access": asdict(access)})

    def main(self) -> None:
        """In the child: one order in, one measurement out."""
        order = json.load(sys.stdin)
        side = self.sides[order["side"]]
        run = self.runs[side.who, side.action](side, order["size"], self.access(**order["access"]))
        found = measured(side.name, order["size"], run)
        if side.who in self.programs:
            found = replace(found, peak=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
        json.dump(asdict(found), sys.stdout)


class Place(ABC, Generic[A]):
    """One server, as the harness sees it."""

    def __init__(self, child: Child[A]) -> None:
        self._child = child

    @abstractmethod
    def ready(self, side: Side) -> AbstractContextManager[A]:
        """What `side` needs is there, and nothing else; afterwards what it stored is removed."""

    @abstractmethod
    def uploader(self, side: Side) -> Side:
        """Whose upload the download `side` fetches."""

    @abstractmethod
    def stored(self, side: Side) -> int:
        """Bytes of the image that are there; negative: there is no image."""

    def once(self, side: Side, size: int) -> Measurement:
        """One measurement. Raises SideFailed, also if another number of bytes is there afterwards."""
        with self.ready(side) as access:
            if side.action == DOWN:
                self._child.measure(self.uploader(side).name, size=size, access=access)
            found = self._child.measure(side.name, size=size, access=access)
            stored = self.stored(side)
        os.sync()  # no side pays for the write-back of another
        if stored != size:
            raise SideFailed(f"{side.name}: {stored} bytes are there, {size} were sent.")
        return found
