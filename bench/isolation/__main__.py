"""`python -m bench.isolation`: what a store that hangs, and slow clients, cost the rest of the service.

The service has two stores, `well` on a filesystem and `hung`, whose server is stopped. In turns everything is well, and
then it is not: the ratio of neighbouring rates is what counts, since other work on the machine meets both. CPU time is
told besides: another process takes the clock's time, but hardly CPU time of the service.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
from collections.abc import Callable, Sequence

from bench.isolation.case import END, MAX_WAIT, Found, Half, measure
from bench.isolation.hung import KINDS, missing
from bench.machine import load_found

HEAD = (
    "            slow   health  metrics    MiB/s     MiB/s    ratio of rates   CPU s a GiB    cores of   503      end\n"
    "what hangs  clients  99 %     99 %   all well    hung  (least to most)   well    hung     others  after    after"
)
GOALS = f"goal{'100 ms':>21}{'100 ms':>9}{'0.95':>27}{MAX_WAIT:>39} s{END:>7} s"
LOADED = 0.2
"""Cores of others from which on the rates say little."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ends)  # with its mounts and processes, as at Ctrl-C
    for name, value in load_found().items():
        print(f"{name}: {value}")
    print(HEAD, GOALS, sep="\n", flush=True)
    for kind in options.stores:
        if reason := missing(kind):
            print(f"{kind} is left out: {reason}", file=sys.stderr)
            continue
        for count in options.clients:
            found = measure(kind, clients=count, rounds=options.rounds, seconds=options.seconds)
            print(line(kind, count, found), *remarks(found), sep="\n", flush=True)
    print(f"load at the end: {load_found()['loadavg']}")
    return 0


def _ends(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def line(kind: str, clients: int, found: Found) -> str:
    """A case in the table: medians, and the range of the ratio."""
    health, metrics = (f"{percentile(seconds) * 1000:.0f} ms" for seconds in (found.health, found.metrics))
    ratios = found.ratios(rate)
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return (
        f"{kind:10}{clients:9}{health:>8}{metrics:>9}{_middle(found.well, rate):11.0f}{_middle(found.hung, rate):8.0f}"
        f"{spread:>21}{_middle(found.well, cpu):8.2f}{_middle(found.hung, cpu):8.2f}{found.others:9.2f}"
        f"{max(found.refused):8.2f} s{found.ended:6.1f} s"
    )


def remarks(found: Found) -> list[str]:
    """What is to be thought of the ratio: others may have taken the processor now and then."""
    if found.others < LOADED:
        return []
    more = statistics.median(found.ratios(cpu))
    return [
        f"  others used {found.others:.1f} cores: rates say little; CPU a GiB was {more:.2f} times that of all well"
    ]


def rate(half: Half) -> float:
    """MiB a second."""
    return half.rate


def cpu(half: Half) -> float:
    """CPU seconds for each GiB."""
    return half.cpu


def _middle(halves: Sequence[Half], of: Callable[[Half], float]) -> float:
    return statistics.median(of(half) for half in halves)


def percentile(seconds: Sequence[float]) -> float:
    """The 99th."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[-1]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.isolation", description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=KINDS, default=list(KINDS), help="that hang (default: all)")
    parser.add_argument("--clients", nargs="+", type=int, default=(0, 200), help="that are slow (default: 0 200)")
    parser.add_argument("--rounds", type=int, default=5, help="of each case (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each half of a round (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
