"""Sizes, times and durations: rounded for people in tables and bars, exact for programs (`-f json`)."""

from __future__ import annotations

import re
import time

from cliff.columns import FormattableColumn

UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
LONGEST = 3653 * 86400
_DURATION = re.compile(r"([0-9]{1,9}) ?([a-z]?)", re.ASCII)


def human(size: float) -> str:
    """Bytes with one decimal and a binary suffix: `64.0 MiB`; below 1 KiB exact: `17 B`."""
    if size < 1024:
        return f"{size:.0f} B"
    power = 0
    while size >= 1023.95 and power < len(UNITS):
        size, power = size / 1024, power + 1
    return f"{size:.1f} {UNITS[power - 1]}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: `0:01:30`."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def duration(text: str) -> float:
    """Seconds of `90`, `90s`, `15m`, `1h`, `2d`, `1w`; at most as many as a thread can wait. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip().lower())
    factor = None if match is None else _SECONDS.get(match[2])
    if match is None or factor is None:
        raise ValueError("a duration is a number of seconds, or one with s, m, h, d or w")
    if (seconds := int(match[1]) * factor) > LONGEST:
        raise ValueError("a duration is ten years at most")
    return float(seconds)


class SizeCell(FormattableColumn["int | None"]):
    """A size in bytes; None: unknown."""

    def human_readable(self) -> str:
        """For tables."""
        return "" if self._value is None else human(self._value)


class AlignedSizeCell(SizeCell):
    """A size in a column of sizes: aligned to the right."""

    def human_readable(self) -> str:
        """For tables; wide enough for every size."""
        return f"{super().human_readable():>10}"


class TimeCell(FormattableColumn["float | None"]):
    """Seconds since the epoch; None: unknown."""

    def human_readable(self) -> str:
        """Local time, for tables."""
        return "" if self._value is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._value))

    def machine_readable(self) -> str | None:  # type: ignore[override]  # a time is text in JSON
        """UTC in ISO 8601."""
        return None if self._value is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._value))


class YesNo(FormattableColumn[bool]):
    """Yes or nothing in tables, true or false for programs."""

    def human_readable(self) -> str:
        """For tables."""
        return "yes" if self._value else ""
