"""The goals on S3: throughput beside the best of the others, CPU seconds without the parts' md5; and linearity."""

from __future__ import annotations

import hashlib
import statistics
import time

from bench.body import MIB
from bench.measure import Measurement
from bench.network.report import beside_fastest
from bench.report import Results, cpu, median
from bench.s3.sides import AWS, BOTH, BOTO, DOWN, ONE_BODY, OURS, PEER, UP, Side

CPU_GOAL = 1.5
SAMPLE = 64 * MIB


def verdicts(results: Results) -> list[str]:
    """A line for each goal that something was measured for."""
    digesting = [Side(PEER, UP, BOTH).name]
    writing, reading = ([Side(who, action).name for who in (BOTO, AWS, PEER)] for action in (UP, DOWN))
    pairs = [
        (Side(OURS, UP).name, writing), (Side(OURS, UP, BOTH).name, digesting),
        (Side(OURS, DOWN).name, reading), (Side(OURS, DOWN, ONE_BODY).name, reading),
    ]  # fmt: skip
    return [line for ours, others in pairs for line in beside_fastest(results, ours, others)] + _cpu(results)


def _cpu(results: Results) -> list[str]:
    ours = Side(OURS, UP).name
    if not results.get(ours):
        return []
    found, md5 = median(cpu, results[ours]), md5_cost()
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
