"""Argument parsing: the options of every command, before or after its name, and errors of one line.

An option must be written in full.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn, TypeVar

from imgstore.cli.failures import BadUsage

T = TypeVar("T")

CLIFFS_FINER_OPTIONS = {
    "--noindent", "--max-width", "--fit-width", "--print-empty", "--quote", "--prefix", "--variable",
    "--sort-ascending", "--sort-descending",
}  # fmt: skip
"""These work, and the help leaves them out."""


class Parser(argparse.ArgumentParser):
    """Raises BadUsage where argparse would print and exit. Help keeps the lines of an epilog."""

    def __init__(self, prog: str, *, description: str = "", epilog: str = "") -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise BadUsage(f"{message} (see '{self.prog} --help')")

    def format_help(self) -> str:
        """The usage is one line; the options are listed below it."""
        self.usage = " ".join([self.prog, "[OPTION]...", *map(_usage, self._get_positional_actions())])
        return super().format_help()

    def add_global_options(self) -> argparse._ArgumentGroup:
        """The options that may stand before or after a command's name."""
        group = self.add_argument_group("common options")
        group.add_argument(
            "--config-file", action="append", metavar="FILE", help="configuration file; may be repeated, later ones win"
        )
        group.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no warnings")
        group.add_argument("-v", "--verbose", action="count", default=0, help="show more of the log; twice: all of it")
        group.add_argument("--debug", action="store_true", help="show a traceback when something fails")
        group.add_argument("-h", "--help", action="store_true", help="show this help")
        return group

    def tidy_output_options(self) -> None:
        """Leaves the formatters' finer options, and the headings that are left without one, out of the help."""
        for action in self._actions:
            if action.dest == "formatter":
                action.metavar, action.help = "FORMAT", f"{', '.join(action.choices or ())} (default: table)"
            if action.dest == "columns":
                action.help = "show only this column; may be repeated"
            if action.dest == "sort_columns":
                action.metavar, action.help = "COLUMN", "sort by this column; may be repeated"
            if CLIFFS_FINER_OPTIONS.intersection(action.option_strings):
                action.help = argparse.SUPPRESS
        for group in self._action_groups:
            if group.title == "output formatters":
                group.title, group.description = "output", None


def _usage(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    optional = name if name.startswith("[") and name.endswith("]") else f"[{name}]"
    return {"?": optional, "*": f"[{name}]...", "+": f"{name}...", argparse.REMAINDER: "COMMAND ..."}.get(
        str(action.nargs), name
    )


def typed(parse: Callable[[str], T]) -> Callable[[str], T]:
    """`parse` as a `type` of argparse: the ValueError's own words are the message."""

    def of_argument(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text[:64]}': {error}") from error

    return of_argument


def size(text: str) -> int:
    """Bytes of `10GiB`. Raises ValueError."""
    from imgstore.driver.options import parse  # not imported where no size is given: it brings oslo.config

    return parse(text)
