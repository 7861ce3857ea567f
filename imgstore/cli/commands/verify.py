"""`imgstore verify`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import ShowCommand, Table
from imgstore.cli.commands.put import FIELDS, fields
from imgstore.cli.configuration import configured, shown
from imgstore.cli.failures import FAILED, BadUsage
from imgstore.cli.transfer import algorithms, digest_object
from imgstore.digests import new_hash, supported

RESULT = "result"


class Verify(ShowCommand):
    """Read an object whole and show, or compare, its digests.

    The exit status is 1 if a digest is not the one that is expected.
    """

    EXAMPLES = """
        imgstore verify fast:7f0f4b5e
        imgstore verify fast:7f0f4b5e --expect "$os_hash_value"
        imgstore verify fast:7f0f4b5e --expect md5:$checksum --expect sha256:$(cut -d' ' -f1 SHA256SUMS)
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("object", metavar="[STORE:]KEY", help="what to read")
        parser.add_argument(
            "--expect", metavar="[ALGORITHM:]HEX", action="append", default=[],
            help="what a digest must be; without an algorithm: hash_algorithm of the configuration; may be repeated",
        )  # fmt: skip
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """See Command."""
        with configured(parsed_args) as found:
            expected = dict(_expectation(text, found.settings.hash_algo) for text in parsed_args.expect)
            digests = list(expected) or algorithms(found.settings)
            names = [*FIELDS, *digests, *([RESULT] if expected else [])]
            self._refuse_unknown_columns(parsed_args, names)
            target = found.object(parsed_args.object)
            read = digest_object(found, target, names=digests, label="verifying", quiet=parsed_args.quiet)
        wrong = [name for name, value in expected.items() if read.digests[name] != value]
        self.status = FAILED if wrong else self.status
        result = [f"differs: {', '.join(wrong)}" if wrong else "as expected"] if expected else []
        return names, [*fields(read), *result]


def _expectation(text: str, default: str) -> tuple[str, str]:
    """Algorithm and digest in lower case. Raises BadUsage for what no digest can be."""
    before, _, value = text.lower().strip().rpartition(":")
    name = before or default
    if not supported(name):
        raise BadUsage(f"--expect: no digest is called {shown(name)}.")
    if len(value) != len(new_hash(name).hexdigest()) or set(value) - set("0123456789abcdef"):
        raise BadUsage(f"--expect: {shown(value)} cannot be a {name} in hex.")
    return name, value
