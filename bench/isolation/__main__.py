"""`python -m bench.isolation`: what a store that hangs, and slow clients, cost the rest of the service.

The service has two stores, `well` on a filesystem and `hung`, whose server is stopped. In turns everything is well, and
then it is not: the ratio of the two rates in the same run is what counts, since other work on the machine meets both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from bench.isolation.case import END, MAX_WAIT, Found, measure
from bench.isolation.hung import KINDS, missing
from bench.machine import load_found

HEAD = "what hangs  slow clients  health 99 %  metrics 99 %  MiB/s well  MiB/s hung  ratio  503 after  end after"
GOALS = f"goal{'100 ms':>34}{'100 ms':>14}{'0.95':>31}{MAX_WAIT:>9} s{END:>9} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    options = _parser().parse_args(arguments)
    for name, value in load_found().items():
        print(f"{name}: {value}")
    print(HEAD, GOALS, sep="\n")
    for kind in options.stores:
        if reason := missing(kind):
            print(f"{kind} is left out: {reason}", file=sys.stderr)
            continue
        for count in options.clients:
            print(line(kind, count, measure(kind, clients=count, rounds=options.rounds, seconds=options.seconds)))
    print(f"load at the end: {load_found()['loadavg']}")
    return 0


def line(kind: str, clients: int, found: Found) -> str:
    """A case in the table."""
    well, hung = (statistics.median(rates) for rates in (found.well, found.hung))
    health, metrics = (f"{percentile(seconds) * 1000:.0f} ms" for seconds in (found.health, found.metrics))
    return (
        f"{kind:10}{clients:14}{health:>13}{metrics:>14}{well:12.0f}{hung:12.0f}{found.ratio:7.2f}"
        f"{max(found.refused):9.1f} s{found.ended:9.1f} s"
    )


def percentile(seconds: Sequence[float]) -> float:
    """The 99th."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[-1]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.isolation", description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=KINDS, default=list(KINDS), help="that hang (default: all)")
    parser.add_argument("--clients", nargs="+", type=int, default=(0, 200), help="that are slow (default: 0 200)")
    parser.add_argument("--rounds", type=int, default=3, help="of each case (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each half of a round (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
