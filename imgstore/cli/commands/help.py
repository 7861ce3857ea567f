"""`imgstore help`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import Command


class Help(Command):
    """Explain a command."""

    EXAMPLES = """
        imgstore help put
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="COMMAND", nargs="?", help="which; default: what commands there are")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """See Command."""
        if parsed_args.name is None:
            self.app.print_help()
        else:
            self.app.print_command_help(parsed_args.name)
