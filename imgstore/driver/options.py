"""Sizes as an operator writes them: a number of bytes, or one with a binary suffix (`10GiB`, `1 TiB`).

Only suffixes that mean one thing are taken: `10G` and `10GB` are 10^9 to one person and 2^30 to the next, so they are
refused rather than guessed. The value that the library sees is always an integer of bytes.
"""

from __future__ import annotations

import re
from typing import Any

from oslo_config import cfg, types

_SUFFIXES = ("", "KiB", "MiB", "GiB", "TiB", "PiB")
_FACTORS = {suffix.lower(): 1024**power for power, suffix in enumerate(_SUFFIXES)}
_SIZE = re.compile(r"([0-9]+) ?([a-z]*)", re.ASCII)


class Size(types.Integer):
    """The type of an option that is a size: `min` and `max` are in bytes."""

    def __init__(self, *, min: int | None = 0, max: int | None = None) -> None:  # noqa: A002 - the names of oslo.config
        super().__init__(min=min, max=max, type_name="size in bytes, or with a suffix as in 10GiB")

    def __call__(self, value: Any) -> int | float | None:
        """The size in bytes; None for an empty value. Raises ValueError."""
        return super().__call__(parse(value) if isinstance(value, str) and value.strip() else value)


def parse(text: str) -> int:
    """Bytes of a size such as `1073741824`, `1GiB` or `1 gib`. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip().lower())
    factor = None if match is None else _FACTORS.get(match[2])
    if match is None or factor is None:
        raise ValueError(f"a size is a number of bytes, or one with {', '.join(_SUFFIXES[1:])}")
    number: int = int(match[1]) * factor
    return number


def size_opt(name: str, *, default: int | None = None, min: int = 0, max: int | None = None, help: str) -> cfg.Opt:  # noqa: A002 - as above
    """An option that is a size, for the library's own sections and for drivers."""
    return cfg.Opt(name, type=Size(min=min, max=max), default=default, help=help)
