"""One measurement of one side in a process of its own; `python -m bench.swift.measure`, the order as JSON.

The memory of curl is that of its own process; of the others, what is beyond idle (`bench.measure`).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict, replace

from bench.measure import ROOT, Measurement, SideFailed, measured
from bench.swift.sides import CURL, SIDES, Access, prepare


def measure(side: str, *, size: int, access: Access) -> Measurement:
    """Runs `side` once in a fresh process. Raises SideFailed."""
    order = {"side": side, "size": size, "access": asdict(access)}
    child = subprocess.run(
        [sys.executable, "-m", "bench.swift.measure"], cwd=ROOT, input=json.dumps(order), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if child.returncode:
        raise SideFailed(f"{side}: {child.stderr[-2000:]}")
    return Measurement(**json.loads(child.stdout))


def main() -> None:
    """The child: one order in, one measurement out."""
    order = json.load(sys.stdin)
    side = SIDES[order["side"]]
    run = prepare(side, size=order["size"], access=Access(**order["access"]))
    found = measured(side.name, order["size"], run)
    if side.who == CURL:
        found = replace(found, peak=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main()
