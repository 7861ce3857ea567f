"""The application: which commands there are, how they are found, run and explained.

cliff gives tables, formats and completion. The rest is ours, because cliff's reads badly or costs time: help in
groups, errors of one line, commands by their whole names only, no interactive mode. Only the module of the command that
runs is imported.
"""

from __future__ import annotations

import argparse
import difflib
import logging
import sys
from importlib.metadata import EntryPoint

from cliff.commandmanager import CommandManager

from imgstore import distribution
from imgstore.cli.base import Application, Command
from imgstore.cli.failures import GOOD, BadUsage
from imgstore.cli.parser import Parser

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "objects": {
        "put": ("put:Put", "store a file, or standard input"),
        "get": ("get:Get", "fetch an object into a file, or to standard output"),
        "ls": ("ls:Ls", "list objects"),
        "stat": ("stat:Stat", "show what is known of one object"),
        "url": ("url:Url", "print a URL with which anybody may read one object for a while"),
        "copy": ("copy:Copy", "copy an object, and compare the copy"),
        "verify": ("verify:Verify", "compare catalog, usage and stores, or check one object's digests"),
        "rm": ("rm:Rm", "remove objects"),
        "adopt": ("adopt:Adopt", "take objects that no image knows as the data of their images"),
    },
    "stores": {
        "stores": ("stores:Stores", "list the stores with health and free space, or adopt a place"),
        "check": ("check:Check", "test stores: write an object, read it back, remove it"),
        "purge": ("purge:Purge", "remove what interrupted uploads left behind"),
    },
    "service": {
        "serve": ("serve:Serve", "run the reference service"),
        "status": ("status:Status", "show what the service does: stores, uploads and copies under way"),
        "evacuate": ("evacuate:Evacuate", "move all images of a store to another one"),
        "scrub": ("scrub:Scrub", "read the data of images, compare it, and heal what is wrong"),
        "usage": ("usage:Usage", "show how much of their quotas projects and stores use"),
        "db": ("db:Db", "upgrade the service's database, show its revision, or say that it was restored"),
        "migrate-config": ("migrate_config:MigrateConfig", "print Glance's configuration as one of imgstore's"),
        "sample-config": ("sample:SampleConfig", "print a sample configuration with every option"),
    },
    "more": {
        "new-driver": ("new_driver:NewDriver", "make a package with a driver of your own"),
        "help": ("help:Help", "explain a command"),
        "complete": ("completion:Complete", "print the completion script for bash"),
    },
}
"""Module and class of each command below `imgstore.cli.commands`, and the line of the help."""

DESCRIPTION = "Works on the objects in the stores directly. No catalog is told of what it stores."
OBJECTS = "STORE:KEY names an object; KEY alone, one in the default store. FILE - is standard input or output."
LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class ImgstoreApp(Application):
    """The command line. `run` raises what the command raises."""

    NAME = "imgstore"

    def __init__(self) -> None:
        manager = CommandManager()
        super().__init__(DESCRIPTION, None, manager)
        manager.commands = {
            name: EntryPoint(name, f"imgstore.cli.commands.{where}", "imgstore.cli")
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
            self.stdout.write(f"imgstore {distribution.version()}\n")
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
        if name != "help":  # it asks for no plug-in, and this import is slow
            from imgstore.config.entrypoints import keep_no_file

            keep_no_file()
        command = found.load()(self, None)
        assert isinstance(command, Command)  # noqa: S101 - GROUPS has no other
        return command

    def print_help(self) -> None:
        """Prints the commands in groups."""
        usage, _, options = self.parser.format_help().partition("common options:\n")
        self.stdout.write(f"{usage.strip()}\n")
        for title, commands in GROUPS.items():
            self.stdout.write(f"\n{title}:\n")
            for name, (_, line) in commands.items():
                self.stdout.write(f"  {name:<15} {line}\n")
        self.stdout.write(f"\noptions, before or after the command:\n{options}")
        self.stdout.write(f"\n{OBJECTS}\n'imgstore help COMMAND' explains a command, with examples.\n")

    def print_command_help(self, name: str) -> None:
        """Prints the page of one command. Raises BadUsage."""
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
        """Sends the library's log to standard error."""
        level = logging.ERROR if self.options.quiet else LEVELS[min(self.options.verbose, 2)]
        logging.basicConfig(level=level, handlers=[_Lines()], force=True)


class _Lines(logging.Handler):
    """One line for each record, on the standard error of the moment: above the bar, if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno >= logging.ERROR else f"{record.levelname.lower()}: "
        sys.stderr.write(f"imgstore: {level}{' '.join(record.getMessage().split())}\n")


def _asks_for_help(arguments: list[str]) -> bool:
    """Asked before argparse, which would complain of a missing argument first."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return bool({"-h", "--help"}.intersection(before))
