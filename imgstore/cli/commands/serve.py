"""`imgstore serve`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import Command
from imgstore.cli.config_files import configuration_files
from imgstore.cli.database import needing_service
from imgstore.cli.parser import typed


class Serve(Command):
    """Run the reference service.

    The same as 'python -m imgstore.service'. SIGTERM and Ctrl-C stop it after the requests under way. Where there is no
    configuration, it writes one with two filesystem stores into the data directory.
    """

    LOGS = False
    EXAMPLES = """
        imgstore serve
        imgstore serve --config-file /etc/imgstore.conf --listen 0.0.0.0 --port 8080
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--listen", metavar="HOST", help="address to listen on")
        parser.add_argument(
            "--port", metavar="N", type=typed(_port), help="port to listen on; 0 chooses a free one and prints it"
        )
        parser.add_argument("--data-dir", metavar="DIR", help="the service's data directory (default: ./var)")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        arguments = [word for file in configuration_files(parsed_args.config_file) for word in ("--config-file", file)]
        for option in ("listen", "port", "data_dir"):
            value = getattr(parsed_args, option)
            arguments += [] if value is None else [f"--{option.replace('_', '-')}={value}"]
        arguments += ["-q"] * parsed_args.quiet + ["-v"] * parsed_args.verbose + ["--debug"] * parsed_args.debug
        with needing_service():
            from imgstore.service.__main__ import main
        self.status = main(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text[:9]) > 65535:
        raise ValueError("a port is a number from 0 to 65535")
    return int(text)
