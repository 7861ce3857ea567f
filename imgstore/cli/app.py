"""The application: which commands there are, how they are found, run and explained.

Built on cliff, which gives tables, formats and completion. Ours, because cliff's reads badly or costs time: the help in
groups, errors of one line, commands by their whole names only, no interactive mode (no command: the help), and a
command's module is imported when it is the one that is asked for.
"""

from __future__ import annotations

import argparse
import difflib
import logging
import sys
from importlib import metadata

from cliff.commandmanager import CommandManager

from imgstore.cli.base import Application, Command
from imgstore.cli.failures import GOOD, BadUsage
from imgstore.cli.parser import Parser

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "objects": {
        "put": ("put:Put", "store a file, or standard input"),
        "get": ("get:Get", "fetch an object into a file, or to standard output"),
        "ls": ("ls:Ls", "list objects"),
        "copy": ("copy:Copy", "copy an object to another store, and compare"),
        "verify": ("verify:Verify", "compare catalog, usage and stores, or check one object's digests"),
        "rm": ("rm:Rm", "remove objects"),
    },
    "stores": {
        "stores": ("stores:Stores", "list the stores, their health and their room"),
        "check": ("check:Check", "prove that stores work: write, read back, remove"),
        "purge": ("purge:Purge", "remove what uploads left that died"),
    },
    "service": {
        "serve": ("serve:Serve", "run the reference service"),
        "usage": ("usage:Usage", "show what projects and stores have of their quotas"),
        "db": ("db:Db", "upgrade the tables of the service's database, or show their revision"),
        "sample-config": ("sample:SampleConfig", "print a configuration with every option"),
    },
    "more": {
        "help": ("helping:Help", "explain a command"),
        "complete": ("completion:Complete", "print what makes a shell complete the commands"),
    },
}
"""Module and class of each command below `imgstore.cli.commands`, and the line of the help."""

DESCRIPTION = "Images at their stores, straight: no catalog knows of what is done here."
OBJECTS = "An object is written STORE:KEY, or KEY alone in the default store. FILE - is standard input or output."
LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class ImgstoreApp(Application):
    """The command line; `run` is the whole of it. Raises what the command raises."""

    NAME = "imgstore"

    def __init__(self) -> None:
        manager = CommandManager()
        super().__init__(DESCRIPTION, None, manager)
        manager.commands = {
            name: metadata.EntryPoint(name, f"imgstore.cli.commands.{where}", "imgstore.cli")
            for commands in GROUPS.values()
            for name, (where, _) in commands.items()
        }

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, object] | None = None
    ) -> argparse.ArgumentParser:
        """What stands before a command's name."""
        parser = Parser(self.NAME, description=description or "")
        options = parser.add_global_options()
        options.add_argument("--version", action="store_true", help="show the version")
        parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
        return parser

    def run(self, argv: list[str]) -> int:
        """The exit status. Raises Failure, ImgstoreError, Interrupted, OSError."""
        self.options = self.parser.parse_args(argv)
        if self.options.version:
            self.stdout.write(f"imgstore {metadata.version('imgstore')}\n")
            return GOOD
        if not self.options.command:
            self.print_help()
            return GOOD
        name, *arguments = self.options.command
        return self._run(self.command(name), name, arguments)

    def command(self, name: str) -> Command:
        """The command of that name. Raises BadUsage."""
        found = self.command_manager.commands.get(name)
        if found is None:
            close = difflib.get_close_matches(name, self.command_manager.commands, n=1)
            question = f"Did you mean '{close[0]}'? " if close else ""
            raise BadUsage(f"there is no command '{name[:64]}'. {question}See 'imgstore --help'.")
        command = found.load()(self, None)
        assert isinstance(command, Command)  # noqa: S101 - GROUPS has no other
        return command

    def print_help(self) -> None:
        """What bare `imgstore` says: the commands in groups."""
        usage, _, options = self.parser.format_help().partition("everywhere:\n")
        self.stdout.write(f"{usage.strip()}\n")
        for title, commands in GROUPS.items():
            self.stdout.write(f"\n{title}:\n")
            for name, (_, line) in commands.items():
                self.stdout.write(f"  {name:<14} {line}\n")
        self.stdout.write(f"\noptions, before or after the command:\n{options}")
        self.stdout.write(f"\n{OBJECTS}\n'imgstore help COMMAND' has the rest, with examples.\n")

    def print_command_help(self, name: str) -> None:
        """The page of one command. Raises BadUsage."""
        self.stdout.write(self.command(name).get_parser(f"{self.NAME} {name}").format_help())

    def _run(self, command: Command, name: str, arguments: list[str]) -> int:
        if self.options.help or _asks_for_help(arguments):
            self.print_command_help(name)
            return GOOD
        # What stood before the name counts as well: argparse adds to the values that are there.
        self.options = command.get_parser(f"{self.NAME} {name}").parse_args(arguments, self.options)
        if command.LOGS:
            self.configure_logging()
        return command.run(self.options)

    def configure_logging(self) -> None:
        """The library's log on standard error."""
        level = logging.ERROR if self.options.quiet else LEVELS[min(self.options.verbose, 2)]
        logging.basicConfig(level=level, handlers=[_Lines()], force=True)


class _Lines(logging.Handler):
    """One line each on whatever standard error is at the moment: above the bar, if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno >= logging.ERROR else f"{record.levelname.lower()}: "
        sys.stderr.write(f"imgstore: {level}{' '.join(record.getMessage().split())}\n")


def _asks_for_help(arguments: list[str]) -> bool:
    """Also where a required argument is missing, which argparse would find out first."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return bool({"-h", "--help"}.intersection(before))
