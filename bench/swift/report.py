"""What was found: throughput and CPU seconds against the best of the others, who did as much of digests."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.measure import Measurement
from bench.report import Figure, Results, cpu, throughput
from bench.swift.sides import BOTH, CURL, DOWN, OURS, PEER, SERVICE, UNKNOWN, UP, Side


def verdicts(results: Results) -> list[str]:
    """Two lines for each of our ways that something was measured for."""
    digesting = [Side(PEER, UP, BOTH).name, Side(PEER, UP, f"{BOTH}:{UNKNOWN}").name]
    writing = [Side(SERVICE, UP).name, Side(CURL, UP).name, *digesting]
    reading = [Side(who, DOWN).name for who in (PEER, SERVICE, CURL)]
    pairs = [
        (Side(OURS, UP).name, writing), (Side(OURS, UP, UNKNOWN).name, writing), (Side(OURS, UP, BOTH).name, digesting),
        (Side(OURS, DOWN).name, reading), (Side(OURS, DOWN, "ahead").name, reading),
    ]  # fmt: skip
    return [line for ours, others in pairs for line in _lines(results, ours, others)]


def _lines(results: Results, ours: str, others: Sequence[str]) -> list[str]:
    measured = [name for name in others if results.get(name)]
    if not results.get(ours) or not measured:
        return []
    fastest = max(measured, key=lambda name: _median(results[name], throughput))
    thriftiest = min(measured, key=lambda name: _median(results[name], cpu))
    speed, cost = _ratio(results, ours, fastest, throughput), _ratio(results, ours, thriftiest, cpu)
    return [
        f"{'met' if speed >= 1 else 'MISSED':8}{ours} / {fastest}, throughput: {speed:.2f}, at least 1.0",
        f"{'told':8}{ours} / {thriftiest}, CPU: {cost:.2f}",
    ]


def _ratio(results: Results, ours: str, other: str, figure: Figure) -> float:
    return _median(results[ours], figure) / _median(results[other], figure)


def _median(runs: Sequence[Measurement], figure: Figure) -> float:
    return statistics.median(figure(run) for run in runs)
