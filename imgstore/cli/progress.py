"""Whether there is a progress bar: on standard error, if that is a terminal; none with --quiet or on a dumb terminal.

`progress_bar`, which draws it, is imported only where there is one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

Advance = Callable[[int], object]
"""Told the bytes so far."""


@contextlib.contextmanager
def progress(label: str, size: int | None, *, quiet: bool) -> Iterator[Advance]:
    """A bar for `size` bytes (None: unknown) while the block runs; gives what to tell the bytes so far to."""
    if quiet or not on_terminal():
        yield lambda done: None
        return
    from imgstore.cli.progress_bar import drawn

    with drawn(label, size) as advance:
        yield advance


def on_terminal() -> bool:
    """Whether standard error is a terminal on which a bar can be drawn."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
