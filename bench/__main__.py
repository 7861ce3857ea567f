"""`python -m bench`: every side in every round, in an order that moves on each round, then table and verdicts."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.body import MIB, Body
from bench.machine import facts, installed, load_found
from bench.measure import Measurement, SideFailed, measure
from bench.report import Results, disagreement, table, verdicts
from bench.sides import PEER, SIDES, TOOLS

SHARED_MEMORY = Path("/dev/shm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Exit status: 0 measured (whatever the verdicts), 1 a side failed or digests differ."""
    options = _parser().parse_args(arguments)
    names = _chosen(options.only)
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=options.datadir) as work:
        machine = facts(Path(work))
        load = {"start": load_found()}
        print(_lines("machine", machine), _lines("load at the start", load["start"]), sep="\n", flush=True)
        try:
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
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="MiB of the image (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs (default: %(default)s)")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="sides whose name has TEXT in it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every measurement, for later")
    parser.add_argument("--datadir", type=Path, help="where to write (default: the directory for temporary files)")
    return parser


def _chosen(only: Sequence[str]) -> list[str]:
    names = [name for name in SIDES if not only or any(text in name for text in only)]
    if not installed(PEER):
        print(f"{PEER} is not installed: its sides are left out")
        names = [name for name in names if SIDES[name].who != PEER]
    if not names:
        raise SystemExit(f"No side is left of: {', '.join(SIDES)}")
    return names


def _rounds(names: Sequence[str], *, size: int, rounds: int, work: Path) -> Results:
    results: dict[str, list[Measurement]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=_source_directory(size, work)) as directory:
        source = _source(names, size, Path(directory))
        for number in range(rounds):
            first = number * len(names) // rounds
            for name in [*names[first:], *names[:first]]:
                found = measure(name, size=size, datadir=work, source=source)
                results[name].append(found)
                print(f"round {number + 1}  {name}  {found.mib_per_second:.0f} MiB/s", flush=True)
    return results


def _source_directory(size: int, work: Path) -> Path:
    """Memory where it has room for the source and the target's page cache, else beside the target."""
    room = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > 3 * size
    return SHARED_MEMORY if room else work


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
    runs = {name: [asdict(run) for run in found] for name, found in results.items()}
    file.write_text(json.dumps({"machine": machine, "load": load, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
