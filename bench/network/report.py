"""What was found: printed, kept, and judged beside the best of the others. Which are the others, a comparison says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.report import Results, cpu, disagreement, median, table, throughput
from bench.rounds import as_json


def tell(results: Results, lines: Iterable[str], file: Path | None) -> int:
    """Prints table and `lines`, and keeps every measurement in `file`. The exit status: 1 if digests differ."""
    print("", table(results) if results else "", "", *lines, sep="\n", flush=True)
    if file:
        file.write_text(json.dumps(as_json(results), indent=1) + "\n")
    wrong = disagreement(results)
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


def beside_fastest(results: Results, ours: str, others: Sequence[str]) -> list[str]:
    """A line, if both were measured: is `ours` as fast as the fastest of the others?"""
    measured = _measured(results, ours, others)
    if not measured:
        return []
    best = max(measured, key=lambda name: median(throughput, results[name]))
    ratio = median(throughput, results[ours]) / median(throughput, results[best])
    return [f"{'met' if ratio >= 1 else 'MISSED':8}{ours} / {best}, throughput: {ratio:.2f}, at least 1.0"]


def beside_thriftiest(results: Results, ours: str, others: Sequence[str]) -> list[str]:
    """A line, if both were measured: the CPU seconds of `ours` beside the least of the others; told only."""
    measured = _measured(results, ours, others)
    if not measured:
        return []
    best = min(measured, key=lambda name: median(cpu, results[name]))
    ratio = median(cpu, results[ours]) / median(cpu, results[best])
    return [f"{'told':8}{ours} / {best}, CPU: {ratio:.2f}"]


def _measured(results: Results, ours: str, others: Sequence[str]) -> list[str]:
    return [name for name in others if results.get(name)] if results.get(ours) else []
