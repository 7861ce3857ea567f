"""`imgstore url`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import Command
from imgstore.cli.configuration import configured
from imgstore.cli.failures import BadUsage
from imgstore.cli.formatting import duration
from imgstore.cli.parser import typed

HOUR = 3600


class Url(Command):
    """Print a URL with which anybody may read one object for a while.

    The URL is a credential, and nothing but its end or the removal of the object takes it back. Only stores that sign
    URLs can make one (s3, swift).
    """

    EXAMPLES = """
        imgstore url slow:7f0f4b5e
        curl -o debian-12.qcow2 "$(imgstore url --for 15m slow:7f0f4b5e)"
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("object", metavar="[STORE:]KEY", help="the object to read")
        parser.add_argument(
            "--for", dest="seconds", metavar="TIME", type=typed(_seconds), default=HOUR,
            help="how long the URL is good: 90s, 15m, 1h, at most 7d; default: 1h",
        )  # fmt: skip

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        from imgstore.transfers.temporary_urls import NoTemporaryUrl, signed_url

        with configured(parsed_args) as found:
            target = found.object(parsed_args.object)
            location = target.store.location(target.key)
            try:
                made = signed_url(target.store, location, seconds=parsed_args.seconds)
            except NoTemporaryUrl as error:
                driver = found.drivers[target.store.identifier]
                raise BadUsage(
                    f"the driver '{driver}' makes no URLs: fetch it with 'imgstore get {target}'."
                ) from error
            with target.store.blamed():
                target.store.driver.stat(target.key)
        self.app.stdout.write(f"{made.url}\n")


def _seconds(text: str) -> int:
    """Seconds of `15m`, within the bounds of a temporary URL. Raises ValueError."""
    from imgstore.transfers.temporary_urls import LONGEST

    seconds = int(duration(text))
    if not 1 <= seconds <= LONGEST:
        raise ValueError("a URL is good for 1 second to 7 days")
    return seconds
