"""What was found: throughput against the best of the others, CPU seconds beside the parts' own checksum, linearity."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Sequence

from bench.body import MIB
from bench.measure import Measurement
from bench.report import Figure, Results, cpu, throughput
from bench.s3.sides import AWS, BOTO, DOWN, OURS, PEER, UP, Side

CPU_GOAL = 1.5
SAMPLE = 64 * MIB


def verdicts(results: Results) -> list[str]:
    """A line for each goal that something was measured for."""
    lines = []
    for action, extra in ((UP, ""), (UP, "md5+sha512"), (DOWN, ""), (DOWN, "ahead")):
        ours = Side(OURS, action, extra).name
        others = [Side(BOTO, action).name, Side(AWS, action).name, Side(PEER, action).name]
        others = [Side(PEER, action, extra).name] if extra == "md5+sha512" else others
        lines += [_against_best(results, ours, [name for name in others if results.get(name)])]
    return [line for line in lines if line] + _cpu(results)


def _against_best(results: Results, ours: str, others: Sequence[str]) -> str:
    if not results.get(ours) or not others:
        return ""
    best = max(others, key=lambda name: _median(results[name], throughput))
    ratio = _median(results[ours], throughput) / _median(results[best], throughput)
    return f"{'met' if ratio >= 1 else 'MISSED':8}{ours} / {best}, throughput: {ratio:.2f}, at least 1.0"


def _cpu(results: Results) -> list[str]:
    ours = Side(OURS, UP).name
    if not results.get(ours):
        return []
    found, md5 = _median(results[ours], cpu), md5_cost()
    beside = found - md5
    return [
        f"{'met' if beside <= CPU_GOAL else 'MISSED':8}{ours}, CPU seconds for each GiB: {found:.2f}, of which the md5 "
        f"of the parts {md5:.2f}; beside it {beside:.2f}, at most {CPU_GOAL}"
    ]


def md5_cost() -> float:
    """CPU seconds that the md5 of a GiB takes, which a server that returns no other checksum makes necessary."""
    data = bytes(SAMPLE)
    started = time.process_time()
    hashlib.md5(data, usedforsecurity=False)
    return (time.process_time() - started) * 1024 * MIB / SAMPLE


def linearity(runs: dict[int, list[Measurement]]) -> list[str]:
    """Seconds by size, and for each MiB."""
    lines = []
    for size, found in sorted(runs.items()):
        seconds = statistics.median(run.seconds for run in found)
        lines.append(
            f"unknown length, {size // MIB:5} MiB: {seconds:6.2f} s, {1000 * seconds * MIB / size:.2f} ms a MiB"
        )
    return lines


def _median(runs: Sequence[Measurement], figure: Figure) -> float:
    return statistics.median(figure(run) for run in runs)
