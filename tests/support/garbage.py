"""What is freed at once, and what waits for the collector of garbage because it refers to itself in a circle.

A full collection may be hours away. Until then a circle keeps all that it refers to: the frames of a traceback, and
with them buffers of MiBs.
"""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import sqlalchemy as sa

import imgstore

HOME = str(Path(imgstore.__file__).parent)
OURS = ("imgstore.", "cheroot.", "_io", "_pyio")
"""Modules of the classes that are looked for; the last ones have the buffers of connections."""


@contextlib.contextmanager
def freed_at_once() -> Iterator[None]:
    """Inside, nothing of the library is left to the collector of garbage: no object, and no frame of a traceback."""
    gc.disable()
    gc.freeze()  # what there was is not looked at: a look takes milliseconds
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = Counter(name for each in gc.garbage if (name := _name(each)))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()
    assert not left, left


def _name(found: object) -> str:
    if isinstance(found, FrameType):
        return f"{found.f_code.co_filename}:{found.f_lineno}" if found.f_code.co_filename.startswith(HOME) else ""
    kind = type(found)
    is_ours = str(kind.__module__).startswith(OURS) and not issubclass(kind, sa.ClauseElement)
    return f"{kind.__module__}.{kind.__qualname__}" if is_ours else ""
