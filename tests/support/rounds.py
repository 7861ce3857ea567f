"""How often a long form repeats what is random: `IMGSTORE_ROUNDS=10 make test-long` does it ten times as often."""

from __future__ import annotations

import os

FACTOR = int(os.environ.get("IMGSTORE_ROUNDS", "1"))


def rounds(count: int) -> int:
    """So many, where nobody asked for more."""
    return count * FACTOR
