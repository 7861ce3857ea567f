"""`imgstore sample-config`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import Command

WIDTH = "100"


class SampleConfig(Command):
    """Print a configuration with every option.

    Each with its help and its default, and an example section for each installed driver.
    """

    EXAMPLES = """
        imgstore sample-config > imgstore.conf
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """See Command."""
        from oslo_config import generator  # not imported where it only explains itself

        generator.main(["--namespace", "imgstore", "--wrap-width", WIDTH])
