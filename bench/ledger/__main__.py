"""`python -m bench.ledger`: catalog and ledger on SQLite, PostgreSQL and MariaDB, from 1 to 64 uploads at once.

The servers are started for it, on this machine, with the settings of the tests; one that is not installed is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.ledger.world import Measured, World, in_memory, on
from bench.machine import facts, load_found
from tests.needs import find_server
from tests.support.database_fixtures import Servers

NONE = "none"
PROGRAMS = {"sqlite": None, "postgresql": "postgres", "mariadb": "mariadbd"}
AT_ONCE = (1, 4, 16, 64)
HEAD = "database    size      at once  ms/upload     95 %  uploads/s  statements  commits"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=options.datadir) as work:
        for name, value in {**facts(Path(work)), **load_found()}.items():
            print(f"{name}: {value}")
        print(HEAD)
        with contextlib.ExitStack() as stack:
            servers = Servers(stack)
            for kind in (NONE, *PROGRAMS):
                _run(kind, servers, Path(work), options)
    print(f"load at the end: {load_found()['loadavg']}")
    return 0


def _run(kind: str, servers: Servers, work: Path, options: argparse.Namespace) -> None:
    program = PROGRAMS.get(kind)
    if program is not None and find_server(program) is None:
        print(f"{kind} is not installed: it is left out", file=sys.stderr)
        return
    with _world(kind, servers, work) as world:
        world.measure(1, 3, known=True)  # what is made once: connections, prepared statements
        for known in (True, False):
            for at_once in options.at_once:
                print(_line(kind, world.measure(at_once, max(options.uploads, 2 * at_once), known=known), known=known))


@contextlib.contextmanager
def _world(kind: str, servers: Servers, work: Path) -> Iterator[World]:
    if kind == NONE:
        with in_memory() as world:
            yield world
        return
    with servers.database(kind, work) as url, on(url) as world:
        yield world


def _line(kind: str, found: Measured, *, known: bool) -> str:
    count = len(found.seconds)
    middle = statistics.median(found.seconds) * 1000
    late = statistics.quantiles(found.seconds, n=20)[-1] * 1000
    return (
        f"{kind:12}{'known' if known else 'unknown':9}{found.at_once:8}{middle:11.1f}{late:9.1f}"
        f"{count / found.elapsed:11.0f}{found.statements / count:12.1f}{found.transactions / count:9.1f}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--uploads", type=int, default=200, help="for each line (default: %(default)s)")
    parser.add_argument(
        "--at-once", type=int, nargs="+", default=AT_ONCE, help="how many at a time (default: 1 4 16 64)"
    )
    parser.add_argument(
        "--datadir", type=Path, help="where SQLite's file is (default: the directory for temporary files)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
