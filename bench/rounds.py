"""What the programs of all comparisons have in common: their options, and every side in every round.

The order moves on each round, so that no side always follows the same other. What a measurement is, and what is printed
besides, is each program's own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from bench.measure import Measurement
from bench.report import Results


class Named(Protocol):
    """A side, of whichever comparison."""

    @property
    def who(self) -> str:
        """Whose way of storing it is."""

    @property
    def name(self) -> str:
        """How tables and options name it."""


def parser(program: str, description: str | None, *, size: int, rounds: int) -> argparse.ArgumentParser:
    """The options that every comparison has, with its own defaults."""
    made = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    made.add_argument("--size", type=int, default=size, help="MiB of the image (default: %(default)s)")
    made.add_argument("--rounds", type=int, default=rounds, help="how often each side runs (default: %(default)s)")
    made.add_argument("--only", action="append", default=[], metavar="TEXT", help="sides whose name has TEXT in it")
    made.add_argument("--json", type=Path, metavar="FILE", help="every measurement, for later")
    return made


def chosen(sides: Iterable[Named], *, missing: Iterable[str], only: Sequence[str]) -> list[str]:
    """The names of the sides to measure. Those of whom is `missing` are left out, and that is said."""
    absent = sorted(missing)
    for who in absent:
        print(f"{who} is not installed: its sides are left out")
    there = [side.name for side in sides if side.who not in absent]
    return [name for name in there if not only or any(text in name for text in only)]


def in_turn(names: Sequence[str], rounds: int, once: Callable[[str], Measurement]) -> Results:
    """Each side in each round, measured by `once`."""
    results: dict[str, list[Measurement]] = {name: [] for name in names}
    for number in range(rounds):
        first = number * len(names) // rounds
        for name in [*names[first:], *names[:first]]:
            found = once(name)
            results[name].append(found)
            print(f"round {number + 1}  {name}  {found.mib_per_second:.0f} MiB/s", flush=True)
    return results


def as_json(results: Results) -> dict[str, list[dict[str, object]]]:
    """Every measurement, by side."""
    return {name: [asdict(run) for run in found] for name, found in results.items()}
