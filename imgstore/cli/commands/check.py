"""`imgstore check`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import secrets
from collections.abc import Iterator

from imgstore import errors
from imgstore.cli.base import ListCommand, Table, add_stores
from imgstore.cli.configuration import ObjectName, configured
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
    """Test stores: write an object, read it back, remove it.

    Each store is first checked as at the start of the service; a filesystem store creates a missing datadir. Then an
    object of 1 MiB is written, read back, compared and removed, unless the store is read-only. If a store fails, the
    exit status is 1.
    """

    EXAMPLES = """
        imgstore check
        imgstore check fast && systemctl start imgstore
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_stores(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        rows = []
        with configured(parsed_args) as found:
            for store in found.chosen(parsed_args.stores):
                with INTERRUPTS.deferred():
                    result, detail = _tested(store)
                INTERRUPTS.check()
                self.status = self.status if result == "ok" else FAILED
                rows.append((store.identifier, result, detail))
        return COLUMNS, rows


def _tested(store: Store) -> tuple[str, str]:
    try:
        with store.blamed():
            store.driver.check()
            if store.read_only or store.driver.READ_ONLY:
                return "ok", "read-only: no object was written"
            _write_and_read(ObjectName(store, f"imgstore-check-{secrets.token_hex(8)}"))
    except errors.ImgstoreError as error:
        return "failed", line_of(error)
    return "ok", f"{PROBE_SIZE} bytes written, read back and removed"


def _write_and_read(target: ObjectName) -> None:
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
def _removed_afterwards(target: ObjectName) -> Iterator[None]:
    """Removes the object at the end. A failure to remove it does not hide a failure inside."""
    try:
        yield
    except BaseException:
        try:
            target.store.driver.delete(target.key)
        except errors.StoreError as error:
            LOG.error("Could not remove %s: %s", target, describe(error))
        raise
    target.store.driver.delete(target.key)
