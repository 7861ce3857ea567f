"""`python -m bench`: every side in every round, in an order that moves on each round, then table and verdicts."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.body import MIB, Body
from bench.core import costs
from bench.machine import SHARED_MEMORY, facts, installed, load_found, shared_memory
from bench.measure import SideFailed, measure
from bench.memory import kept_from_the_hypervisor
from bench.report import Results, disagreement, table, verdicts
from bench.rounds import as_json, chosen, in_turn, parser
from bench.sides import PEER, SIDES, TOOLS

CORE = 256
"""MiB that show what a chunk costs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Exit status: 0 measured (whatever the verdicts), 1 a side failed or digests differ."""
    options = _parser().parse_args(arguments)
    names = _chosen(options.only)
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=options.datadir) as work:
        machine = facts(Path(work))
        load = {"start": load_found()}
        print(_lines("machine", machine), _lines("load at the start", load["start"]), sep="\n", flush=True)
        try:
            print("the core:", *costs(min(options.size, CORE) * MIB), sep="\n  ", flush=True)
            results = _rounds(names, size=options.size * MIB, rounds=options.rounds, work=Path(work))
        except SideFailed as failure:
            print(failure, file=sys.stderr)
            return 1
        load["end"] = load_found()
    print(_lines("load at the end", load["end"]), "", table(results), "", verdicts(results), sep="\n", flush=True)
    if options.json:
        _save(options.json, machine, load, results)
    wrong = disagreement(results)
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    made = parser("bench", __doc__, size=2048, rounds=5)
    made.add_argument("--datadir", type=Path, help="where to write (default: the directory for temporary files)")
    return made


def _chosen(only: Sequence[str]) -> list[str]:
    names = chosen(SIDES.values(), missing=[] if installed(PEER) else [PEER], only=only)
    if not names:
        raise SystemExit(f"No side is left of: {', '.join(SIDES)}")
    return names


def _rounds(names: Sequence[str], *, size: int, rounds: int, work: Path) -> Results:
    # Memory where it has room for the source and the target's page cache, else beside the target.
    place = shared_memory(3 * size) or work
    with (
        kept_from_the_hypervisor(3 * size),
        tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=place) as directory,
    ):
        source = _source(names, size, Path(directory))
        return in_turn(names, rounds, lambda name: measure(name, size=size, datadir=work, source=source))


def _source(names: Sequence[str], size: int, directory: Path) -> Path | None:
    if not any(SIDES[name].who == TOOLS for name in names):
        return None
    source = directory / "source"
    with source.open("wb") as file:
        file.writelines(Body(size))
    print(f"{TOOLS} read their source from {'tmpfs' if directory.parent == SHARED_MEMORY else 'the page cache'}")
    return source


def _lines(title: str, values: dict[str, object]) -> str:
    return f"{title}: " + ", ".join(f"{name} {value}" for name, value in values.items())


def _save(file: Path, machine: dict[str, object], load: dict[str, dict[str, object]], results: Results) -> None:
    file.write_text(json.dumps({"machine": machine, "load": load, "runs": as_json(results)}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
