"""The report: a table of medians, and the goals with what was found."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.measure import Measurement
from bench.sides import BOTH, BOTH256, LIMIT, OURS, PEER, PEER_READ, SHA256, Side

Results = Mapping[str, Sequence[Measurement]]
Figure = Callable[[Measurement], float]

DEFAULT_PEER = Side(PEER, BOTH).name


def throughput(measurement: Measurement) -> float:
    """MiB a second."""
    return measurement.mib_per_second


def cpu(measurement: Measurement) -> float:
    """CPU seconds for each GiB."""
    return measurement.cpu_per_gib


def median(figure: Figure, runs: Sequence[Measurement]) -> float:
    """The middle of what `figure` is of each run."""
    return statistics.median(figure(run) for run in runs)


COLUMNS: Mapping[str, Figure] = {
    "CPU s/GiB": cpu,
    "in kernel": lambda run: run.kernel_per_gib,
    "peak MiB": lambda run: run.peak / 1024**2,
    "others": lambda run: run.others,
}


@dataclass(frozen=True)
class Goal:
    """`figure` of `side`, divided by that of `reference`, is to be at least or at most `bound`; None: told only."""

    side: str
    reference: str
    figure: Figure = throughput
    at_least: float | None = None
    at_most: float | None = None

    def verdict(self, results: Results) -> str:
        """One line: what was found, in medians and from round to round, and whether it is enough."""
        what = f"{self.side} / {self.reference}, {'CPU' if self.figure is cpu else 'throughput'}"
        if not (results.get(self.side) and results.get(self.reference)):
            return f"{'not measured':14}{what}"
        if not all(self.figure(run) for run in results[self.reference]):
            return f"{'too short':14}{what}: the clock of the CPU did not tick"
        ratio = median(self.figure, results[self.side]) / median(self.figure, results[self.reference])
        pairs = zip(results[self.side], results[self.reference], strict=True)
        rounds = [self.figure(ours) / self.figure(theirs) for ours, theirs in pairs]
        return f"{self._word(ratio):14}{what}: {ratio:.2f} ({min(rounds):.2f} to {max(rounds):.2f}){self._bound()}"

    def _word(self, ratio: float) -> str:
        if self.at_least is None and self.at_most is None:
            return "told"
        enough = ratio >= (self.at_least or 0) and (self.at_most is None or ratio <= self.at_most)
        return "met" if enough else "MISSED"

    def _bound(self) -> str:
        if self.at_least is not None:
            return f", at least {self.at_least}"
        return f", at most {self.at_most}" if self.at_most is not None else ""


def _goals() -> tuple[Goal, ...]:
    """Judged as the store is by default; told of what else an operator may choose."""
    both, single = Side(OURS, BOTH, fsync=True).name, Side(OURS, SHA256, fsync=True).name
    cached = Side(OURS, BOTH, fsync=False).name
    return (
        Goal(both, DEFAULT_PEER, at_least=1.3),
        Goal(both, Side(LIMIT, BOTH).name, at_least=0.9),
        Goal(both, DEFAULT_PEER, figure=cpu, at_most=1.0),
        Goal(single, DEFAULT_PEER, at_least=2.5),
        Goal(single, Side(PEER, BOTH256).name),
        Goal(single, Side(LIMIT, SHA256).name),
        Goal(cached, DEFAULT_PEER),
        Goal(cached, Side(LIMIT, BOTH).name),
        Goal(cached, DEFAULT_PEER, figure=cpu),
        Goal(Side(OURS, BOTH, fsync=True, chunk=PEER_READ).name, DEFAULT_PEER, figure=cpu),
    )


GOALS = _goals()


def table(results: Results) -> str:
    """A line for each side: medians, with the range of the throughput."""
    width = max(len(name) for name in results)
    title = f"{'side':{width}}  {'MiB/s':>6}  {'range':>11}"
    lines = [title + "".join(f"  {column:>9}" for column in COLUMNS)]
    for name, runs in results.items():
        speeds = [throughput(run) for run in runs]
        line = f"{name:{width}}  {statistics.median(speeds):6.0f}  {f'{min(speeds):.0f}-{max(speeds):.0f}':>11}"
        lines.append(line + "".join(f"  {median(figure, runs):9.2f}" for figure in COLUMNS.values()))
    return "\n".join(lines)


def verdicts(results: Results) -> str:
    """A line for each goal."""
    return "\n".join(goal.verdict(results) for goal in GOALS)


def disagreement(results: Results) -> str | None:
    """What is wrong where two sides found different digests of the same bytes; None if all agree."""
    found: dict[str, dict[str, str]] = {}
    for name, runs in results.items():
        for run in runs:
            for algorithm, value in run.digests.items():
                found.setdefault(algorithm, {})[value] = name
    wrong = {algorithm: sides for algorithm, sides in found.items() if len(sides) > 1}
    return f"The sides do not agree: {wrong}" if wrong else None
