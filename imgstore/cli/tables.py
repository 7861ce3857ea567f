"""Tables that fit: where a terminal is too narrow for the columns of one, each row becomes a block of lines."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from cliff.columns import FormattableColumn
from cliff.formatters.table import TableFormatter


class FoldingTable(TableFormatter):
    """cliff's table, which wraps words in narrow columns, but not below eight characters."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        """Writes a table, or blocks where it would be wider than the terminal."""
        rows, table = list(data), io.StringIO()
        super().emit_list(column_names, rows, table, parsed_args)
        widest = max(map(len, table.getvalue().splitlines()), default=0)
        room = parsed_args.max_width or _terminal_width()
        stdout.write(_blocks(column_names, rows) if room and widest > room else table.getvalue())


def _blocks(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return "\n".join("".join(map(_line, names, row)) for row in rows)


def _line(name: str, value: object) -> str:
    text = value.human_readable() if isinstance(value, FormattableColumn) else value
    shown = "" if text is None else str(text).strip()
    return f"{name}: {shown}\n" if shown else ""


def _terminal_width() -> int:
    """0 where standard output is no terminal."""
    if not sys.stdout.isatty():
        return 0
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except OSError:
        return 0
