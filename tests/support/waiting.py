"""Waiting for what happens soon, on a machine of any speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0


def until(look: Callable[[], T], *, seconds: float = PATIENCE) -> T:
    """What `look` returns once it is true; fails the test if that takes too long."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"still not after {seconds} seconds: {seen!r}"
        time.sleep(0.01)
    return seen
