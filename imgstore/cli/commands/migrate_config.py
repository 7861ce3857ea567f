"""`imgstore migrate-config`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import Command


class MigrateConfig(Command):
    """Print Glance's configuration as one of imgstore's.

    imgstore reads Glance's files as they stand, too. What has no counterpart becomes a remark. The result has the
    secrets that the files have. Nothing is written or changed.
    """

    EXAMPLES = """
        imgstore migrate-config /etc/glance/glance-api.conf > imgstore.conf
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", metavar="FILE", nargs="+", help="a file of Glance's; later ones win")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from imgstore.config.load import translated  # slow to import, and the help needs none of it

        for line in translated(parsed_args.files).lines():
            print(line, file=self.app.stdout)
