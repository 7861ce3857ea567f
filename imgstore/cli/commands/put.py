"""`imgstore put`."""

from __future__ import annotations

import argparse
import os

from imgstore.cli.base import ShowCommand, Table
from imgstore.cli.configuration import configured, shown
from imgstore.cli.expectations import add_expect, expectations
from imgstore.cli.failures import BadUsage
from imgstore.cli.files import STANDARD, InputFile
from imgstore.cli.formatting import SizeCell
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.cli.parser import size, typed
from imgstore.cli.progress import progress
from imgstore.cli.transfer import Written, algorithms, write_object
from imgstore.driver.base import check_key
from imgstore.errors import InvalidKey

FIELDS = ("store", "key", "size", "url")


class Put(ShowCommand):
    """Store a file, or standard input.

    The object appears whole or not at all, and never replaces another. The options hash_algorithm, checksum and
    max_image_size of the configuration apply. With --expect, bytes that have another digest are not stored.
    """

    EXAMPLES = """
        imgstore put debian-12.qcow2                     under the file's name, in the default store
        imgstore put debian-12.qcow2 slow:               the same in the store 'slow'
        imgstore put debian-12.qcow2 slow:7f0f4b5e       under another key
        imgstore put debian-12.qcow2 --expect sha512:$(grep debian-12.qcow2 SHA512SUMS | cut -d' ' -f1)
        qemu-img dd -O raw if=a.qcow2 of=/dev/stdout | imgstore put --size 10GiB - fast:a
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the file to store; - is standard input")
        parser.add_argument(
            "object",
            metavar="[STORE:][KEY]",
            nargs="?",
            default="",
            help="the new object; default: the file's name in the default store",
        )
        parser.add_argument(
            "--size", metavar="N", type=typed(size), help="the exact number of bytes to expect: 1048576, 10GiB"
        )
        add_expect(
            parser, meaning="the digest that the bytes must have; default algorithm: hash_algorithm; may be repeated"
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        with configured(parsed_args) as found:
            expected = expectations(parsed_args.expect, default=found.settings.hash_algo)
            names = [*FIELDS, *algorithms(found.settings, expected)]
            self._refuse_unknown_columns(parsed_args, names)
            target = found.new_object(parsed_args.object, name=lambda: _name(parsed_args.file))
            with InputFile(parsed_args.file) as source:
                size = source.size if parsed_args.size is None else parsed_args.size
                with INTERRUPTS.deferred(), progress(target.key, size, quiet=parsed_args.quiet) as advance:
                    written = write_object(
                        target, source, size=size, settings=found.settings, advance=advance, expected=expected
                    )
                    INTERRUPTS.finished()
        return names, fields(written)


def fields(written: Written) -> list[object]:
    """The values of FIELDS and of the digests."""
    location = written.location
    return [location.store, location.key, SizeCell(written.size), location.url, *written.digests.values()]


def _name(file: str) -> str:
    """The key that a file's name gives. Raises BadUsage."""
    if file == STANDARD:
        raise BadUsage("standard input has no name: write [STORE:]KEY after the '-'.")
    name = os.path.basename(file)
    try:
        return check_key(name)
    except InvalidKey as error:
        raise BadUsage(f"the file's name {shown(name)} cannot be a key: write [STORE:]KEY after it. {error}") from error
