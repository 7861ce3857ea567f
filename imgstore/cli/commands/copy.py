"""`imgstore copy`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import ShowCommand, Table
from imgstore.cli.commands.put import FIELDS, fields
from imgstore.cli.configuration import configured
from imgstore.cli.transfer import algorithms, copy_object


class Copy(ShowCommand):
    """Copy an object to another store, and compare.

    The bytes stream from one store to the other; inside one store that can, the store makes the copy. Then the copy is
    read back, and removed if its digest is not the one of what was read. The object that is copied stays.
    """

    EXAMPLES = """
        imgstore copy fast:7f0f4b5e slow:                under the same key
        imgstore copy fast:7f0f4b5e slow:backup
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("source", metavar="[STORE:]KEY", help="what to copy")
        parser.add_argument("target", metavar="[STORE:][KEY]", help="where to; without a key: the same")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """See Command."""
        with configured(parsed_args) as found:
            names = [*FIELDS, *algorithms(found.settings)]
            self._refuse_unknown_columns(parsed_args, names)
            source = found.object(parsed_args.source)
            target = found.place(parsed_args.target, name=lambda: source.key)
            written = copy_object(found, source, target, quiet=parsed_args.quiet)
        return names, fields(written)
