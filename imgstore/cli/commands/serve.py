"""`imgstore serve`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import Command
from imgstore.cli.configuration import configuration_files
from imgstore.cli.failures import BadUsage


class Serve(Command):
    """Run the reference service.

    As 'python -m imgstore.service' does, until SIGTERM or Ctrl-C; both let requests under way end. Without any
    configuration it makes itself one with two filesystem stores in the data directory.
    """

    LOGS = False
    EXAMPLES = """
        imgstore serve
        imgstore serve --config-file /etc/imgstore.conf --listen 0.0.0.0 --port 8080
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--listen", metavar="HOST", help="address to listen on")
        parser.add_argument("--port", metavar="N", help="port to listen on; 0: a free one, which is printed")
        parser.add_argument("--data-dir", metavar="DIR", help="where the catalog is (default: ./var)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """See Command."""
        arguments = [word for file in configuration_files(parsed_args.config_file) for word in ("--config-file", file)]
        for option in ("listen", "port", "data_dir"):
            value = getattr(parsed_args, option)
            arguments += [] if value is None else [f"--{option.replace('_', '-')}", value]
        self.status = _service(arguments)


def _service(arguments: list[str]) -> int:
    try:
        from imgstore.service.__main__ import main
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("imgstore"):
            raise
        raise BadUsage(f"the service needs '{error.name}': pip install 'imgstore[service]'") from error
    return main(arguments)
