"""`imgstore check`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import secrets
from collections.abc import Iterator

from imgstore import errors
from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import Target, configured
from imgstore.cli.failures import FAILED, line_of
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.driver.base import READ_SIZE
from imgstore.store import Store
from imgstore.undo import describe

LOG = logging.getLogger(__name__)
COLUMNS = ("store", "result", "detail")
PROBE_SIZE = READ_SIZE + 1
"""More than one read brings, and no round number."""


class Check(ListCommand):
    """Prove that stores work: write, read back, remove.

    Each store proves itself as it does when the service starts (a filesystem store makes its datadir where it is
    missing); then an object of 1 MiB is written, read back, compared and removed. A store that is read-only is not
    written to by the second part. The exit status is 1 if a store fails.
    """

    EXAMPLES = """
        imgstore check
        imgstore check fast && systemctl start imgstore
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See Command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("stores", metavar="STORE", nargs="*", help="which; default: all")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """See Command."""
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        rows = []
        with configured(parsed_args) as found:
            for store in found.chosen(parsed_args.stores):
                with INTERRUPTS.deferred():
                    result, detail = _proven(store)
                INTERRUPTS.check()
                self.status = self.status if result == "ok" else FAILED
                rows.append((store.identifier, result, detail))
        return COLUMNS, rows


def _proven(store: Store) -> tuple[str, str]:
    try:
        with store.blamed():
            store.driver.check()
            if store.read_only or store.driver.READ_ONLY:
                return "ok", "read-only: no object was written"
            _write_and_read(Target(store, f"imgstore-check-{secrets.token_hex(8)}"))
    except errors.ImgstoreError as error:
        return "failed", line_of(error)
    return "ok", f"{PROBE_SIZE} bytes written, read back and removed"


def _write_and_read(target: Target) -> None:
    """Raises StoreError, IntegrityError among them."""
    content, driver = secrets.token_bytes(PROBE_SIZE), target.store.driver
    with driver.open_writer(target.key, size=len(content)) as writer:
        writer.write(content)
        writer.commit()
    with _removed_afterwards(target):
        with driver.open_reader(target.key) as reader:
            read = b"".join(reader)
        if read != content:
            raise errors.IntegrityError("The store does not give back what was written.")
    with contextlib.suppress(errors.ObjectNotFound):
        driver.stat(target.key)
        raise errors.IntegrityError("The store still has what was removed.")


@contextlib.contextmanager
def _removed_afterwards(target: Target) -> Iterator[None]:
    """Inside, the object is there; a failure inside is not hidden by one of its removal."""
    try:
        yield
    except BaseException:
        try:
            target.store.driver.delete(target.key)
        except errors.StoreError as error:
            LOG.error("Could not remove %s: %s", target, describe(error))
        raise
    target.store.driver.delete(target.key)
