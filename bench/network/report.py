"""What was found: printed, kept, and judged beside the best of the others. Which are the others, a comparison says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bench.network.sides import ONE_BODY
from bench.report import Figure, Results, cpu, disagreement, median, table, throughput
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
    """A line, if both were measured: is `ours` as fast as the fastest of the others? Of what is not done by default it
    is told only."""
    lines = []
    for best, ratio in _beside(results, ours, others, throughput, max):
        line = f"{ours} / {best}, throughput: {ratio:.2f}"
        if ours.endswith(ONE_BODY):
            lines.append(f"{'told':8}{line}")
        else:
            lines.append(f"{'met' if ratio >= 1 else 'MISSED':8}{line}, at least 1.0")
    return lines


def beside_thriftiest(results: Results, ours: str, others: Sequence[str]) -> list[str]:
    """A line, if both were measured: the CPU seconds of `ours` beside the least of the others; told only."""
    return [f"{'told':8}{ours} / {best}, CPU: {ratio:.2f}" for best, ratio in _beside(results, ours, others, cpu, min)]


def _beside(
    results: Results, ours: str, others: Sequence[str], figure: Figure, choose: Callable[..., str]
) -> Iterator[tuple[str, float]]:
    """The best of the others, as `choose` finds it, and the ratio to it; nothing where one of both was not measured."""
    measured = [name for name in others if results.get(name)] if results.get(ours) else []
    if measured:
        best = choose(measured, key=lambda name: median(figure, results[name]))
        yield best, median(figure, results[ours]) / median(figure, results[best])
