"""What the commands have in common: arguments, help with an example, the exit status; tables and `-f json` by cliff.

cliff's own `Command` looks for plug-ins in every installed package before each command; ours has none.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from cliff.app import App
from cliff.command import Command as CliffCommand
from cliff.formatters.base import ListFormatter, SingleFormatter
from cliff.formatters.table import TableFormatter
from cliff.lister import Lister
from cliff.show import ShowOne

from imgstore.cli.failures import GOOD, BadUsage
from imgstore.cli.parser import Parser

Table = tuple[Sequence[str], Iterable[Any]]


class Application(App):
    """What a command sees of the application."""

    def print_help(self) -> None:
        """What bare `imgstore` says."""
        raise NotImplementedError

    def print_command_help(self, name: str) -> None:
        """The page of one command. Raises BadUsage."""
        raise NotImplementedError


class Command(CliffCommand):
    """A command. Its docstring is its help: the first line for the list of commands, the rest for its own page.

    `EXAMPLES` are lines of a shell; `status` is what the process ends with if nothing is raised.
    """

    EXAMPLES: ClassVar[str] = ""
    LOGS: ClassVar[bool] = True
    """Whether the log goes where the command line's does; no where the command sees to it."""
    app: Application

    def __init__(self, app: Application, app_args: argparse.Namespace | None, cmd_name: str | None = None) -> None:
        super().__init__(app, app_args)  # without the name, which is what it looks for plug-ins by
        self.status = GOOD

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The parser, with what every command takes."""
        epilog = f"examples:\n{textwrap.indent(textwrap.dedent(self.EXAMPLES).strip(), '  ')}"
        parser = Parser(prog_name, description=self.get_description(), epilog=epilog)
        parser.add_global_options()
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The exit status."""
        self.take_action(parsed_args)
        return self.status


class _Tables(Command):
    """The half that what prints a table has in common."""

    def _refuse_unknown_columns(self, parsed_args: argparse.Namespace, names: Sequence[str]) -> None:
        """Before anything is done: cliff finds it out afterwards."""
        for column in parsed_args.columns:
            if column.lower().strip().replace(" ", "_") not in names:
                raise BadUsage(f"there is no column '{column[:64]}'; there are: {', '.join(names)}.")


class ListCommand(Lister, _Tables):
    """Prints a table of several rows."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        return _finished(super().get_parser(prog_name))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """See Command."""
        super().run(parsed_args)
        return self.status

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Sequence[Any]]
    ) -> int:
        """See cliff: a table without a row would be an empty line."""
        rows = list(data)
        if not rows and isinstance(self.formatter, TableFormatter) and not parsed_args.print_empty:
            return GOOD
        return super().produce_output(parsed_args, column_names, rows)


class ShowCommand(ShowOne, _Tables):
    """Prints the fields of one thing. In CSV, which cliff has for lists only, it is a list of one."""

    @property
    def formatter_namespace(self) -> str:
        """See cliff."""
        return "cliff.formatter.list"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        return _finished(super().get_parser(prog_name))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """See Command."""
        super().run(parsed_args)
        return self.status

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Sequence[Any]) -> int:
        """See cliff."""
        formatter: object = self.formatter
        if isinstance(formatter, SingleFormatter):
            return super().produce_output(parsed_args, column_names, data)
        assert isinstance(formatter, ListFormatter)  # noqa: S101 - there is no third kind
        names, selector = self._generate_columns_and_selector(parsed_args, column_names)
        row = list(data if selector is None else self._compress_iterable(data, selector))
        formatter.emit_list(names, [row], self.app.stdout, parsed_args)
        return GOOD


def _finished(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    assert isinstance(parser, Parser)  # noqa: S101 - Command.get_parser made it
    parser.tidy_output_options()
    return parser
