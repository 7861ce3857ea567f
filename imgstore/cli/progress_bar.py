"""The progress bar as it is drawn: label, bar, amount, rate, and the time that is left.

Rate and time use the average since the start, because a store takes bytes in gusts. rich draws ten times a second, on a
thread of its own.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from imgstore.cli.formatting import clock, human

LONGEST = 40
"""Characters of the label: an image's identifier has 36."""


@contextlib.contextmanager
def drawn(label: str, size: int | None) -> Iterator[Callable[[int], object]]:
    """A bar for `size` bytes (None: unknown) while the block runs; gives what to tell the bytes so far to."""
    short = label if len(label) <= LONGEST else f"{label[: LONGEST - 3]}..."
    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(bar_width=None), _Words(_amount), _Words(_rate), _Words(_time))
    with Progress(*columns, console=Console(file=sys.stderr), expand=True) as bar:
        task = bar.add_task(short, total=size)
        try:
            yield lambda done: bar.update(task, completed=done)
            bar.update(task, total=bar.tasks[0].completed)
        finally:
            bar.stop_task(task)


class _Words(ProgressColumn):
    def __init__(self, words: Callable[[Task], str]) -> None:
        super().__init__()
        self._words = words

    def render(self, task: Task) -> Text:
        return Text(self._words(task), justify="right", no_wrap=True)


def _amount(task: Task) -> str:
    return human(task.completed) if task.total is None else f"{human(task.completed)} of {human(task.total)}"


def _rate(task: Task) -> str:
    return f"{human(task.completed / task.elapsed)}/s" if task.elapsed else ""


def _time(task: Task) -> str:
    elapsed = task.elapsed or 0
    if task.finished:
        return f"in {clock(elapsed)}"
    if task.stop_time is not None:
        return "stopped"
    return clock(elapsed) if task.total is None else f"{_left(task.completed, task.total, elapsed)} left"


def _left(done: float, total: float, elapsed: float) -> str:
    return clock((total - done) * elapsed / done) if done and elapsed else "-:--:--"
