"""`imgstore get`."""

from __future__ import annotations

import argparse
import os

from imgstore.cli.base import Command
from imgstore.cli.configuration import ObjectName, configured
from imgstore.cli.failures import BadUsage
from imgstore.cli.files import STANDARD, NewFile, StandardOutput
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.cli.progress import progress
from imgstore.cli.transfer import read_object
from imgstore.transfers.download import Download


class Get(Command):
    """Fetch an object into a file, or to standard output.

    The file appears when all of it is on the disk, or not at all. If the store breaks a read, the read resumes on the
    same object.
    """

    EXAMPLES = """
        imgstore get debian-12.qcow2                     into a file with that name
        imgstore get slow:7f0f4b5e debian-12.qcow2       into a file with another name
        imgstore get slow:7f0f4b5e - | qemu-img info /dev/stdin
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("object", metavar="[STORE:]KEY", help="the object to fetch")
        parser.add_argument(
            "file",
            metavar="FILE",
            nargs="?",
            default=".",
            help="the file to write; default: ./KEY; - is standard output",
        )
        parser.add_argument("--force", action="store_true", help="replace FILE if it exists")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        with configured(parsed_args) as found:
            target = found.object(parsed_args.object)
            with INTERRUPTS.deferred(), read_object(found, target) as download:
                if parsed_args.file == STANDARD:
                    _pour(download, StandardOutput(), quiet=parsed_args.quiet)
                    return
                with NewFile(_path(parsed_args.file, target), replace=parsed_args.force) as file:
                    _pour(download, file, quiet=parsed_args.quiet)
                    file.commit()
                    INTERRUPTS.finished()


def _pour(download: Download, sink: NewFile | StandardOutput, *, quiet: bool) -> None:
    done = 0
    with progress(download.image.locations[0].key, download.length, quiet=quiet) as advance:
        for chunk in download:
            sink.write(chunk)
            done += len(chunk)
            advance(done)
            INTERRUPTS.check()


def _path(file: str, target: ObjectName) -> str:
    if not file:
        raise BadUsage("FILE is empty.")
    return os.path.join(file, target.key) if os.path.isdir(file) else file
