"""`imgstore check`."""

from __future__ import annotations

import argparse
import contextlib
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from imgstore import errors
from imgstore.cli.base import ListCommand, Table, add_stores, add_timeout, silence, wait_for
from imgstore.cli.configuration import ObjectName, configured
from imgstore.cli.database import add_optional_data_dir, service_catalog, tells_of_service
from imgstore.cli.failures import FAILED, STORE, BadUsage, Failure, line_of
from imgstore.cli.interrupts import INTERRUPTS
from imgstore.driver.base import READ_SIZE
from imgstore.driver.capabilities import TellsFacts
from imgstore.driver.translate import storage_failures
from imgstore.proving import Outcome, prove
from imgstore.side_by_side import Begun
from imgstore.store import Store
from imgstore.transfers.places import settle
from imgstore.undo import describe

LOG = logging.getLogger(__name__)
COLUMNS = ("store", "result", "detail")
FACTS = ("store", "fact", "found")
PROOF = ("store", "fact", "result", "found")
Facts = list[tuple[str, str]]
Tested = tuple[str, str, Facts]
"""Result and detail for people, and what is true of the server."""
Create = Callable[[Store], object]
TO_THE_SERVICE = (
    "nothing was created: the service's database, which remembers the places, was not found. Name its directory with "
    "--data-dir. If the service never ran, its first start makes the places: imgstore serve."
)
UNKNOWN_MARKS = (
    "a service that starts later takes places that are marked now for another's. Let its very first start make the "
    "places, or give your word then: imgstore stores adopt STORE."
)
TEST_SECONDS = 60.0
PROBE_SIZE = READ_SIZE + 1
"""More than one read brings, and no round number."""


class Check(ListCommand):
    """Test stores: write an object, read it back, remove it.

    Each store is first checked as at the start of the service. Then an object of 1 MiB is written, read back, compared
    and removed, unless the store is read-only. All stores are tested at the same time, and one that has not ended after
    --timeout has failed. If a store fails, the exit status is 1.

    --create makes the place of a new store: the directory, the bucket, the container. It leaves a mark there, by which
    the service knows the place again. Nothing else ever creates a place, since a missing one may be a disk that is not
    mounted. The service does the same at its very first start, and remembers the mark in its database. So --create
    needs that database ([service] database, or --data-dir), and makes nothing for a service that has none yet.

    --facts prints what the check found out about the server of each store: servers of one kind differ there.

    --prove tries each law on the named stores, beside the images: it writes objects of its own, some of several parts,
    in at most three minutes, and removes all of them, also if a signal ends it. If a law is broken, the exit status is
    1.
    """

    EXAMPLES = """
        imgstore check --create
        imgstore check fast && systemctl start imgstore
        imgstore check --prove fast -f json > fast.json
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_stores(parser)
        parser.add_argument("--create", action="store_true", help="make the place of a store that has none yet")
        asked = parser.add_mutually_exclusive_group()
        asked.add_argument("--facts", action="store_true", help="print what is true of each store's server")
        asked.add_argument("--prove", action="store_true", help="try every law on the named stores")
        add_timeout(parser, TEST_SECONDS)
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        return self._prove(parsed_args) if parsed_args.prove else self._check(parsed_args)

    def _prove(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, PROOF)
        if not parsed_args.stores:
            raise BadUsage("--prove needs a store: imgstore check --prove STORE.")
        rows: list[tuple[str, ...]] = []
        with configured(parsed_args) as found:
            found.stores.refuse_shared_places()
            for store in found.chosen(parsed_args.stores):
                for outcome in _proved(store):
                    self.status = self.status if outcome.good else FAILED
                    rows.append((store.identifier, outcome.fact, outcome.result.value, outcome.found))
        return PROOF, rows

    def _check(self, parsed_args: argparse.Namespace) -> Table:
        columns = FACTS if parsed_args.facts else COLUMNS
        self._refuse_unknown_columns(parsed_args, columns)
        rows = []
        with configured(parsed_args) as found, _creating(parsed_args) as create:
            found.stores.refuse_shared_places()
            for store, result, detail, facts in _all_tested(
                found.chosen(parsed_args.stores), create, parsed_args.timeout, quiet=parsed_args.quiet
            ):
                self.status = self.status if result == "ok" else FAILED
                if not parsed_args.facts:
                    rows.append((store.identifier, result, detail))
                elif result == "ok":
                    rows += [(store.identifier, *each) for each in facts]
                else:
                    LOG.error("%s: %s", store.identifier, detail)
        return columns, rows


def _all_tested(
    stores: Sequence[Store], create: Create, seconds: float, *, quiet: bool
) -> list[tuple[Store, str, str, Facts]]:
    """What was found out of each. A signal ends the command when all have ended, so that nothing is left."""
    with INTERRUPTS.deferred():
        begun = Begun({store.identifier: partial(_tested, store, create) for store in stores}, seconds=seconds)
        wait_for(begun, lambda told: " - ".join(told[:2]), quiet=quiet)
        found = [(store, *_result(begun, store, seconds)) for store in stores]
    INTERRUPTS.check()
    return found


def _result(begun: Begun[Tested], store: Store, seconds: float) -> Tested:
    try:
        return begun.result(store.identifier)
    except TimeoutError:
        return "failed", silence(seconds), []


def _proved(store: Store) -> list[Outcome]:
    """A signal ends it at the next safe point, and then too everything is removed."""
    if store.read_only or store.driver.READ_ONLY:
        raise Failure(f"store '{store.identifier}' is read-only: it is proved by writing, and cannot be.", status=STORE)
    with INTERRUPTS.deferred(), store.blamed():
        store.check()
        return prove(store.driver, safe_point=INTERRUPTS.check)


def _facts(store: Store) -> Facts:
    """What its check found out; nothing of a store whose server is known."""
    return list(store.driver.facts().items()) if isinstance(store.driver, TellsFacts) else []


@contextlib.contextmanager
def _creating(options: argparse.Namespace) -> Iterator[Create]:
    """What makes a store's place: with the catalog's memory if there is a catalog."""
    if not options.create:
        yield lambda store: None
        return
    with service_catalog(options) as catalog:
        if catalog is not None:
            yield partial(settle, memory=catalog.places, create=True)
        elif tells_of_service(options):
            raise BadUsage(TO_THE_SERVICE)
        else:
            LOG.warning("No service's database is named: %s", UNKNOWN_MARKS)
            yield partial(Store.learn_place, create=True)


def _tested(store: Store, create: Create) -> Tested:
    try:
        create(store)
        with store.blamed(), storage_failures("checking"):
            store.check()
            if store.read_only or store.driver.READ_ONLY:
                return "ok", "read-only: no object was written", _facts(store)
            _write_and_read(ObjectName(store, f"imgstore-check-{secrets.token_hex(8)}"))
    except errors.ImgstoreError as error:
        return "failed", line_of(error), []
    return "ok", f"{PROBE_SIZE} bytes written, read back and removed", _facts(store)


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
