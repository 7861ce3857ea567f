"""The processes of a server that is measured from outside: their CPU time and their memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Processes:
    """All of the sessions whose leaders are `leaders`."""

    leaders: frozenset[int]

    def cpu(self) -> tuple[float, float]:
        """Seconds in user mode and in the kernel."""
        ticks = [(int(fields[11]), int(fields[12])) for _, fields in self._found()]
        return sum(user for user, _ in ticks) / _TICK, sum(kernel for _, kernel in ticks) / _TICK

    def memory(self, field: str) -> int:
        """Bytes that the largest of them has."""
        return max(_memory(process, field) for process, _ in self._found())

    def forget_peak(self) -> None:
        """The high-water mark starts again from here."""
        for process, _ in self._found():
            (process / "clear_refs").write_text("5")

    def _found(self) -> Iterator[tuple[Path, list[str]]]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if int(fields[3]) in self.leaders:
                yield process, fields


def _memory(process: Path, field: str) -> int:
    for line in (process / "status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0
