"""`imgstore complete`."""

from __future__ import annotations

import argparse

from cliff.complete import CompleteCommand

from imgstore.cli.base import Command
from imgstore.cli.parser import Parser


class Complete(CompleteCommand, Command):
    """Print what makes a shell complete the commands.

    For bash with the package bash-completion: commands, options and files.
    """

    EXAMPLES = """
        source <(imgstore complete)
        imgstore complete > /etc/bash_completion.d/imgstore
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        assert isinstance(parser, Parser)  # noqa: S101 - Command.get_parser made it
        return parser
