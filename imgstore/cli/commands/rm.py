"""`imgstore rm`."""

from __future__ import annotations

import argparse
import logging

from imgstore import errors
from imgstore.cli.base import Command
from imgstore.cli.configuration import ObjectName, configured
from imgstore.cli.failures import GOOD, line_of, status_of

LOG = logging.getLogger(__name__)


class Rm(Command):
    """Remove objects.

    The objects are removed at once, without a question, and no catalog is told: an image whose object is removed is
    lost. All names are checked before the first object is removed. If one removal fails, the others go on, and the exit
    status is that of the first failure.
    """

    EXAMPLES = """
        imgstore rm slow:7f0f4b5e slow:backup
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("objects", metavar="[STORE:]KEY", nargs="+", help="the objects to remove")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        with configured(parsed_args) as found:
            for target in [found.object(text) for text in parsed_args.objects]:
                status = _removed(target)
                self.status = self.status if self.status != GOOD else status


def _removed(target: ObjectName) -> int:
    try:
        with target.store.blamed():
            target.store.driver.delete(target.key)
    except errors.StoreError as error:
        LOG.error("%s: %s", target.key, line_of(error))
        return status_of(error)
    return GOOD
