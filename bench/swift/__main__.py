"""`python -m bench.swift`: every side in every round, in an order that moves on, on one server; then what was found."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.body import MIB
from bench.machine import facts, installed, load_found
from bench.measure import Measurement, SideFailed
from bench.report import Results, disagreement, table
from bench.s3.source import Source
from bench.sides import IMAGE
from bench.swift.measure import measure
from bench.swift.report import verdicts
from bench.swift.sides import CURL, DOWN, PEER, SIDES, UP, Access, Side
from tests.support.swift import SwiftAccount, SwiftServer

CONTAINER = "bench"
SHARED_MEMORY = Path("/dev/shm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Exit status: 0 measured (whatever the verdicts), 1 a side failed or digests differ."""
    options = _parser().parse_args(arguments)
    place = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=place) as work, SwiftServer() as swift:
        print(facts(Path(work)), load_found(), sep="\n", flush=True)
        try:
            results = _rounds(_chosen(options.only), options.size * MIB, options.rounds, swift.account(), Path(work))
        except SideFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(load_found(), "", table(results), "", *verdicts(results), sep="\n", flush=True)
    if options.json:
        runs = {name: [asdict(run) for run in found] for name, found in results.items()}
        options.json.write_text(json.dumps(runs, indent=1) + "\n")
    wrong = disagreement(results)
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.swift", description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the image (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (default: %(default)s)")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="sides whose name has TEXT in it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every measurement, for later")
    return parser


def _chosen(only: Sequence[str]) -> list[str]:
    missing = {who for who, there in ((PEER, installed(PEER)), (CURL, shutil.which(CURL))) if not there}
    for who in sorted(missing):
        print(f"{who} is not installed: its sides are left out")
    return [
        name
        for name, side in SIDES.items()
        if side.who not in missing and (not only or any(text in name for text in only))
    ]


def _rounds(names: Sequence[str], size: int, rounds: int, account: SwiftAccount, work: Path) -> Results:
    source = work / "source"
    with source.open("wb") as file:
        file.writelines(Source(size).chunks())
    results: dict[str, list[Measurement]] = {name: [] for name in names}
    for number in range(rounds):
        first = number * len(names) // rounds
        for name in [*names[first:], *names[:first]]:
            results[name].append(_once(SIDES[name], size, account, source))
            print(f"round {number + 1}  {name}  {results[name][-1].mib_per_second:.0f} MiB/s", flush=True)
    return results


def _once(side: Side, size: int, account: SwiftAccount, source: Path) -> Measurement:
    """One measurement. A side downloads what it uploaded itself. Nothing is there before, nor afterwards."""
    token = account.new_token()
    access = Access(account.auth_url, account.login, account.key, account.storage_url, token, CONTAINER, str(source))
    container = f"{CONTAINER}_{IMAGE}" if side.who == PEER else CONTAINER
    account.put(container)
    with _emptied(account):
        if side.action == DOWN:
            uploading = next(name for name, each in SIDES.items() if (each.who, each.action) == (side.who, UP))
            measure(uploading, size=size, access=access)
        found = measure(side.name, size=size, access=access)
        stored = int(account.head(f"{container}/{IMAGE}").headers.get("content-length", -1))
        if stored != size:
            raise SideFailed(f"{side.name}: {stored} bytes are there, {size} were sent.")
    return found


@contextlib.contextmanager
def _emptied(account: SwiftAccount) -> Iterator[None]:
    try:
        yield
    finally:
        for path in account.everything():
            account.delete(path)
        os.sync()


if __name__ == "__main__":
    sys.exit(main())
