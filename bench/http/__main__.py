"""`python -m bench.http`: this service beside Glance, nginx and a registry of containers, by HTTP, in one run.

First one large image through each, round by round; then several large ones at once; then many small ones by several
clients. Each server is alone while it is measured, the others idle, with its defaults, on one disk.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa

from bench.body import MIB
from bench.http import large, many, small
from bench.http.large import FIRST, SECOND, STEPS, UPLOAD
from bench.http.servers import GLANCE, NGINX, OURS, REGISTRY, TWICE, Glance, Images, Nginx, Peer, Registry, missing
from bench.machine import facts, load_found
from bench.measure import Measurement, SideFailed
from bench.memory import kept_from_the_hypervisor
from bench.network.report import tell
from bench.report import Goal, Results, cpu
from bench.rounds import parser
from tests.support.databases import SERVERS, DatabaseServer

Make = Callable[[Path, sa.URL | None], Peer]
PEERS: Mapping[str, Make] = {
    OURS: Images,
    TWICE: functools.partial(Images, count=2),
    GLANCE: Glance,
    NGINX: lambda root, database: Nginx(root),
    REGISTRY: lambda root, database: Registry(root),
}
USUAL = {
    "postgresql": "ALTER ROLE tester SET default_transaction_isolation = 'read committed'",
    "mariadb": "SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ",
}
"""The tests' servers isolate transactions as hard as they can, where Glance gives up. Here they have their defaults."""
LARGE, SMALL = (OURS, GLANCE, NGINX, REGISTRY), (OURS, TWICE, GLANCE, NGINX)
GOALS = (
    Goal(f"{UPLOAD}:{OURS}", f"{UPLOAD}:{GLANCE}", at_least=1.8),
    Goal(f"{FIRST}:{OURS}", f"{FIRST}:{GLANCE}", at_least=1.0),
    Goal(f"{SECOND}:{OURS}", f"{SECOND}:{GLANCE}", at_least=1.5),
    *(Goal(f"{step}:{OURS}", f"{step}:{GLANCE}", figure=cpu, at_most=1.0) for step in STEPS),
    *(Goal(f"{step}:{OURS}", f"{step}:{peer}") for step in STEPS for peer in (NGINX, REGISTRY)),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Exit status: 0 measured (whatever the verdicts), 1 a side failed or digests differ."""
    made = parser("bench.http", __doc__, size=1024, rounds=5)
    made.add_argument("--datadir", type=Path, help="where to write (default: the directory for temporary files)")
    made.add_argument("--database", choices=SERVERS, help="for this service and Glance (default: SQLite)")
    made.add_argument("--at-once", type=int, default=16, help="clients with an image each (default: %(default)s)")
    made.add_argument("--each", type=int, default=256, help="MiB of each of these (default: %(default)s)")
    made.add_argument("--small", type=int, default=64, help="KiB of a small image (default: %(default)s)")
    made.add_argument("--clients", type=int, nargs="*", default=[1, 16, 64], help="at once (default: 1 16 64)")
    made.add_argument("--uploads", type=int, default=400, help="small images a side and number (default: %(default)s)")
    options = made.parse_args(arguments)
    absent = missing()
    for side in absent:
        print(f"{side} is not installed: it is left out")
    sides = [side for side in PEERS if side not in absent and (not options.only or side in options.only)]
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=options.datadir))
        databases = stack.enter_context(SERVERS[options.database]()) if options.database else None
        if databases:
            databases.execute(USUAL[options.database])
        running = functools.partial(_running, Path(work), databases)
        print(_line("machine", facts(Path(work))), _line("load", load_found()), sep="\n", flush=True)
        large_sides, small_sides = ([side for side in kind if side in sides] for kind in (LARGE, SMALL))
        try:
            with running("large", large_sides) as servers:
                results = _large(servers, options.rounds, size=options.size * MIB)
                _many(servers, options.at_once, size=options.each * MIB)
            for count in options.clients:
                with running(f"small-{count}", small_sides) as servers:
                    _small(servers, clients=count, size=options.small * 1024, uploads=options.uploads)
        except SideFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(_line("load at the end", load_found()))
    return tell(results, [goal.verdict(results) for goal in GOALS], options.json)


def _large(servers: Mapping[str, Peer], rounds: int, *, size: int) -> Results:
    sides = list(servers)
    results: dict[str, list[Measurement]] = {f"{step}:{side}": [] for step in STEPS for side in sides}
    with kept_from_the_hypervisor(3 * size):
        for number in range(rounds):
            first = number % len(sides)
            for side in [*sides[first:], *sides[:first]]:
                for found in large.measure(side, servers[side], size=size):
                    results[found.side].append(found)
                    print(f"round {number + 1}  {found.side}  {found.mib_per_second:.0f} MiB/s", flush=True)
    return results


def _many(servers: Mapping[str, Peer], clients: int, *, size: int) -> None:
    for side, server in servers.items():
        found = many.measure(server, size=size, clients=clients)
        print(f"{clients} at once, {size // MIB} MiB each  {side:11}  {found}", flush=True)


def _small(servers: Mapping[str, Peer], *, clients: int, size: int, uploads: int) -> None:
    for server in servers.values():
        small.measure(server, size=size, clients=clients, uploads=4 * clients)  # it warms up
    for side, server in servers.items():
        found = small.measure(server, size=size, clients=clients, uploads=max(uploads, 4 * clients))
        print(f"{size // 1024} KiB, {clients:2} at once  {side:11}  {found}", flush=True)


@contextlib.contextmanager
def _running(
    root: Path, databases: DatabaseServer | None, name: str, sides: Sequence[str]
) -> Iterator[Mapping[str, Peer]]:
    """All of them, each with a database of its own."""
    (root / name).mkdir()
    with contextlib.ExitStack() as stack:
        servers = {}
        for side in sides:
            database = stack.enter_context(databases.database()) if databases else None
            servers[side] = stack.enter_context(PEERS[side](root / name / side, database))
        yield servers


def _line(title: str, values: Mapping[str, object]) -> str:
    return f"{title}: " + ", ".join(f"{name} {value}" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
