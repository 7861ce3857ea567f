"""`imgstore help`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import Command


class Help(Command):
    """Explain a command."""

    EXAMPLES = """
        imgstore help put
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", metavar="COMMAND", nargs="?", help="which command; default: list all")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        if parsed_args.name is None:
            self.app.print_help()
        else:
            self.app.print_command_help(parsed_args.name)
