"""`imgstore rm`."""

from __future__ import annotations

import argparse
import logging

from imgstore import errors
from imgstore.cli.base import Command
from imgstore.cli.configuration import Target, configured
from imgstore.cli.failures import GOOD, line_of, status_of

LOG = logging.getLogger(__name__)


class Rm(Command):
    """Remove objects.

    At once and for ever, without a question, and without asking any catalog: an image whose object is removed here is
    lost. All keys are looked at before the first object goes; where several are named and one fails, the others are
    removed, and the exit status is the first failure's.
    """

    EXAMPLES = """
        imgstore rm slow:7f0f4b5e slow:backup
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("objects", metavar="[STORE:]KEY", nargs="+", help="what to remove")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """See Command."""
        with configured(parsed_args) as found:
            for target in [found.object(text) for text in parsed_args.objects]:
                status = _removed(target)
                self.status = self.status if self.status != GOOD else status


def _removed(target: Target) -> int:
    try:
        with target.store.blamed():
            target.store.driver.delete(target.key)
    except errors.StoreError as error:
        LOG.error("%s: %s", target.key, line_of(error))
        return status_of(error)
    return GOOD
