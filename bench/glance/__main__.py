"""`python -m bench.glance`: what a real Glance does with its own file store and with `imgstore_file`, in one run.

Both are stores of one Glance, so that nothing else differs. Each round uploads an image to each of them, downloads it
twice and deletes it, in an order that moves on each round.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.body import MIB
from bench.glance.run import FIRST, OURS, SECOND, STEPS, STOCK, UPLOAD, backends, measure
from bench.machine import facts, load_found
from bench.measure import Measurement, SideFailed
from bench.memory import kept_from_the_hypervisor
from bench.network.report import tell
from bench.report import Goal, Results, cpu
from bench.rounds import parser
from tests.support.child import python_of
from tests.support.glance import GlanceServer, prepared

PACKAGES = ("glance", "glance_store", "uwsgi", "gunicorn")
GOALS = (
    Goal(f"{UPLOAD}:{OURS}", f"{UPLOAD}:{STOCK}", at_least=1.3),
    Goal(f"{FIRST}:{OURS}", f"{FIRST}:{STOCK}", at_least=1.0),
    Goal(f"{SECOND}:{OURS}", f"{SECOND}:{STOCK}", at_least=1.0),
    *(Goal(f"{step}:{OURS}", f"{step}:{STOCK}", figure=cpu, at_most=1.0) for step in STEPS),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Exit status: 0 measured (whatever the verdicts), 1 a side failed or digests differ."""
    made = parser("bench.glance", __doc__, size=2048, rounds=5)
    made.add_argument("--datadir", type=Path, help="where to write (default: the directory for temporary files)")
    made.add_argument("--server", choices=("uwsgi", "gunicorn"), default="uwsgi", help="(default: %(default)s)")
    made.add_argument("--chunked", action="store_true", help="upload without a length, as Glance's own client does")
    options = made.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=options.datadir) as work:
        print(_line("machine", {**facts(Path(work)), **_versions()}), _line("load", load_found()), sep="\n", flush=True)
        root = Path(work)
        try:
            with GlanceServer(root, prepared(root), backends(root), server=options.server) as glance:
                results = _rounds(glance, options.rounds, size=options.size * MIB, chunked=options.chunked)
        except SideFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(_line("load at the end", load_found()))
    return tell(results, [goal.verdict(results) for goal in GOALS], options.json)


def _rounds(glance: GlanceServer, rounds: int, *, size: int, chunked: bool) -> Results:
    results: dict[str, list[Measurement]] = {f"{step}:{store}": [] for step in STEPS for store in (STOCK, OURS)}
    with kept_from_the_hypervisor(3 * size):
        for number in range(rounds):
            for store in (STOCK, OURS) if number % 2 else (OURS, STOCK):
                for found in measure(glance, store, size=size, chunked=chunked):
                    results[found.side].append(found)
                    print(f"round {number + 1}  {found.side}  {found.mib_per_second:.0f} MiB/s", flush=True)
    return results


def _versions() -> dict[str, object]:
    """Of what is in Glance's environment."""
    script = f"import importlib.metadata as found; print(*map(found.version, {PACKAGES}))"
    told = subprocess.run([python_of("glance"), "-c", script], capture_output=True, text=True, check=True).stdout
    return dict(zip(PACKAGES, told.split(), strict=True))


def _line(title: str, values: dict[str, object]) -> str:
    return f"{title}: " + ", ".join(f"{name} {value}" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
