"""`imgstore sample-config`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import Command

WIDTH = "100"


class SampleConfig(Command):
    """Print a sample configuration with every option.

    Each option has its help and its default. Each installed driver has an example section.
    """

    EXAMPLES = """
        imgstore sample-config > imgstore.conf
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from oslo_config import generator  # slow to import, and the help needs none of it

        generator.main(["--namespace", "imgstore", "--wrap-width", WIDTH])
