"""What the commands have in common: arguments, help with an example, the exit status; tables and `-f json` by cliff.

cliff's own `Command` looks for plug-ins in every installed package before each command; ours has none.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

from cliff.app import App
from cliff.command import Command as CliffCommand
from cliff.display import DisplayCommandBase
from cliff.formatters.base import ListFormatter, SingleFormatter
from cliff.formatters.table import TableFormatter
from cliff.lister import Lister
from cliff.show import ShowOne

from imgstore.cli.failures import GOOD, BadUsage
from imgstore.cli.formatting import duration
from imgstore.cli.parser import Parser, typed
from imgstore.cli.tables import FoldingTable
from imgstore.side_by_side import Begun

T = TypeVar("T")
TABLE = "table"
WIDTH = "CLIFF_MAX_TERM_WIDTH"
"""cliff reads it for its option --max-width."""
Table = tuple[Sequence[str], Iterable[Any]]
MOMENT = 1.0
"""Seconds for which nobody asks what the command waits for."""


class Application(App):
    """What a command sees of the application."""

    def print_help(self) -> None:
        """Prints what `imgstore` without a command prints."""
        raise NotImplementedError

    def print_command_help(self, name: str) -> None:
        """Prints the page of one command. Raises BadUsage."""
        raise NotImplementedError


class Command(CliffCommand):
    """A command. Its docstring is its help: the first line for the list of commands, the rest for its own page.

    `EXAMPLES` are lines of a shell; `status` is the exit status if nothing is raised. A command with `LOGS = False`
    sets its logging up itself.
    """

    EXAMPLES: ClassVar[str] = ""
    LOGS: ClassVar[bool] = True
    app: Application

    def __init__(self, app: Application, app_args: argparse.Namespace | None, cmd_name: str | None = None) -> None:
        super().__init__(app, app_args)  # without the name: cliff would look for plug-ins by it
        self.status = GOOD

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The parser, with the options of every command and those of `add_arguments`."""
        epilog = f"examples:\n{textwrap.indent(textwrap.dedent(self.EXAMPLES).strip(), '  ')}"
        parser = Parser(prog_name, description=self.get_description(), epilog=epilog)
        parser.add_global_options()
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the command's own arguments."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The exit status."""
        self.take_action(parsed_args)
        return self.status


class _Tables(DisplayCommandBase[Any]):
    """The half that what prints a table has in common."""

    status: int

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        if not os.environ.get(WIDTH, "0").isdecimal():
            raise BadUsage(f"the variable {WIDTH} is not a number of columns.")
        parser = super().get_parser(prog_name)
        assert isinstance(parser, Parser)  # noqa: S101 - Command.get_parser made it
        parser.tidy_output_options()
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        super().run(parsed_args)
        return self.status

    def _load_formatter_plugins(self) -> Any:
        """cliff's formatters, its table apart."""
        found = super()._load_formatter_plugins()
        if TABLE in found:
            found[TABLE].obj = FoldingTable()
        return found

    def _refuse_unknown_columns(self, parsed_args: argparse.Namespace, names: Sequence[str]) -> None:
        """Before anything is done: cliff finds it out afterwards."""
        shown = [column.lower().strip().replace(" ", "_") for column in parsed_args.columns]
        for column in (*shown, *getattr(parsed_args, "sort_columns", ())):
            if column not in names:
                raise BadUsage(f"there is no column '{column[:64]}'; there are: {', '.join(names)}.")


class ListCommand(_Tables, Lister, Command):
    """Prints a table of several rows."""

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Sequence[Any]]
    ) -> int:
        rows = list(data)
        if not rows and isinstance(self.formatter, TableFormatter) and not parsed_args.print_empty:
            return GOOD  # cliff would print an empty line
        return super().produce_output(parsed_args, column_names, rows)


class ShowCommand(_Tables, ShowOne, Command):
    """Prints the fields of one thing. In CSV, which cliff has for lists only, it is a list of one."""

    @property
    def formatter_namespace(self) -> str:
        return "cliff.formatter.list"

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Sequence[Any]) -> int:
        formatter: object = self.formatter
        if isinstance(formatter, SingleFormatter):
            return super().produce_output(parsed_args, column_names, data)
        assert isinstance(formatter, ListFormatter)  # noqa: S101 - there is no third kind
        names, selector = self._generate_columns_and_selector(parsed_args, column_names)
        row = list(data if selector is None else self._compress_iterable(data, selector))
        formatter.emit_list(names, [row], self.app.stdout, parsed_args)
        return GOOD


def add_timeout(parser: argparse.ArgumentParser, default: float) -> None:
    """The option that says how long stores may take that are asked side by side."""
    parser.add_argument(
        "--timeout", metavar="TIME", type=typed(duration), default=default,
        help=f"how long each store may take: 30s, 5m; default: {default:g} s",
    )  # fmt: skip


def wait_for(asked: Begun[T], say: Callable[[T], str], *, quiet: bool) -> None:
    """Returns when all stores have answered, or after their time. If that takes longer than a moment, standard error
    tells each as it answers: the table comes at the end."""
    if asked.all_ended(MOMENT) or quiet or sys.stderr is None:
        return
    for store in asked.ended():
        sys.stderr.write(f"imgstore: {store}: {say(asked.result(store))}\n")
        sys.stderr.flush()


def silence(seconds: float) -> str:
    """What is told of a store that has not answered."""
    return f"no answer in {seconds:g} s"


def add_stores(parser: argparse.ArgumentParser) -> None:
    """The argument that names stores."""
    parser.add_argument("stores", metavar="STORE", nargs="*", help="which stores; default: all")
