"""`imgstore copy`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import ShowCommand, Table
from imgstore.cli.commands.put import FIELDS, fields
from imgstore.cli.configuration import configured
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.cli.transfer import algorithms, copy_object


class Copy(ShowCommand):
    """Copy an object, and compare the copy.

    The bytes stream from one store to the other. Inside one store, the store makes the copy if it can. The copy is then
    read back, and is removed if its digest differs from the source's. The source stays.
    """

    EXAMPLES = """
        imgstore copy fast:7f0f4b5e slow:                under the same key
        imgstore copy fast:7f0f4b5e slow:backup
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("source", metavar="[STORE:]KEY", help="the object to copy")
        parser.add_argument("target", metavar="[STORE:][KEY]", help="the copy; default key: the same")

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        with configured(parsed_args) as found:
            names = [*FIELDS, *algorithms(found.settings)]
            self._refuse_unknown_columns(parsed_args, names)
            source = found.object(parsed_args.source)
            target = found.new_object(parsed_args.target, name=lambda: source.key)
            with INTERRUPTS.deferred():
                written = copy_object(found, source, target, quiet=parsed_args.quiet)
                INTERRUPTS.finished()
        return names, fields(written)
