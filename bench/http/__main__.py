"""`python -m bench.http`: this service beside Glance, nginx and a registry of containers, by HTTP, in one run.

First one large image through each, round by round; then several large ones at once; then many small ones by several
clients. Each server runs alone
while it is measured, with its defaults, on one disk.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

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

PEERS: Mapping[str, Callable[[Path], Peer]] = {
    OURS: Images,
    TWICE: lambda root: Images(root, count=2),
    GLANCE: Glance,
    NGINX: Nginx,
    REGISTRY: Registry,
}
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
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=options.datadir) as work:
        root = Path(work)
        print(_line("machine", facts(root)), _line("load", load_found()), sep="\n", flush=True)
        try:
            results = _large(root, [side for side in LARGE if side in sides], options.rounds, size=options.size * MIB)
            if options.at_once:
                _many(
                    root / "many", [side for side in LARGE if side in sides], options.at_once, size=options.each * MIB
                )
            for count in options.clients:
                those = [side for side in SMALL if side in sides]
                _small(root / str(count), those, clients=count, size=options.small * 1024, uploads=options.uploads)
        except SideFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(_line("load at the end", load_found()))
    return tell(results, [goal.verdict(results) for goal in GOALS], options.json)


def _large(root: Path, sides: Sequence[str], rounds: int, *, size: int) -> Results:
    results: dict[str, list[Measurement]] = {f"{step}:{side}": [] for step in STEPS for side in sides}
    with _running(root / "large", sides) as servers, kept_from_the_hypervisor(3 * size):
        for number in range(rounds):
            first = number % len(sides) if sides else 0
            for side in [*sides[first:], *sides[:first]]:
                for found in large.measure(side, servers[side], size=size):
                    results[found.side].append(found)
                    print(f"round {number + 1}  {found.side}  {found.mib_per_second:.0f} MiB/s", flush=True)
    return results


def _many(root: Path, sides: Sequence[str], clients: int, *, size: int) -> None:
    with _running(root, sides) as servers:
        for side, server in servers.items():
            found = many.measure(server, size=size, clients=clients)
            print(f"{clients} at once, {size // MIB} MiB each  {side:11}  {found}", flush=True)


def _small(root: Path, sides: Sequence[str], *, clients: int, size: int, uploads: int) -> None:
    with _running(root, sides) as servers:
        for server in servers.values():
            small.measure(server, size=size, clients=clients, uploads=4 * clients)  # it warms up
        for side, server in servers.items():
            found = small.measure(server, size=size, clients=clients, uploads=max(uploads, 4 * clients))
            print(f"{size // 1024} KiB, {clients:2} at once  {side:11}  {found}", flush=True)


@contextlib.contextmanager
def _running(root: Path, sides: Sequence[str]) -> Iterator[Mapping[str, Peer]]:
    """All of them; those that are not measured are idle."""
    root.mkdir()
    with contextlib.ExitStack() as stack:
        yield {side: stack.enter_context(PEERS[side](root / side)) for side in sides}


def _line(title: str, values: Mapping[str, object]) -> str:
    return f"{title}: " + ", ".join(f"{name} {value}" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
