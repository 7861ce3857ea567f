"""The quota ledger: holds and usage of projects and stores, exact for all processes that share a database (law 4).

It is one of two parts: a host may take it without the catalog of this package, and the catalog without it. `SqlLedger`
is a `Quota`; besides, a host tells it of its images (`add_image`, `remove_image`) if their number is limited.

**Between activation and settlement** lies the moment at which a process may die. Until then the object counts as held,
afterwards as used: its bytes are never missing from the account. Where catalog and ledger share a database the two are
one transaction (`books`). Where they do not, the hold expires, and whoever finds it asks the catalog what became of the
attempt, then settles it or releases it by its place (`expired`, `settle`, `release`); each may come twice, and late.

What this module refuses to do: look into a catalog or a store.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from imgstore import errors
from imgstore.limits import NO_LIMITS, Allowance, Limits
from imgstore.model import Attempt, Location
from imgstore.quota import Hold
from imgstore.sql.address import Address
from imgstore.sql.clock import Now
from imgstore.sql.database import Database
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.ledger import accounts, entries
from imgstore.sql.ledger.accounts import LARGEST, Bounds, Refused, bounds_of
from imgstore.sql.ledger.charges import NOTHING, Account, Weight
from imgstore.sql.ledger.entries import Entry, OwnerChanged, Place
from imgstore.sql.ledger.hold import SqlHold
from imgstore.sql.ledger.keeper import Keeper
from imgstore.sql.ledger.reclaim import Patience
from imgstore.sql.ledger.schema import ACCOUNTS, ENTRIES, HELD, HOLDING
from imgstore.sql.upgrade import LEDGER, opened


class SqlLedger:
    """`database`: an open one, or the address of one that is the ledger's own. `lease` (seconds): how long a hold of a
    process that died counts. `tick`, `patience` (seconds): how often a process looks whether others need its slack, and
    how long they wait for it.

    Raises CatalogUnavailable where the database cannot be reached (nothing was changed), OutcomeUnknown if COMMIT
    failed.
    """

    def __init__(
        self, database: Database | Address | str, limits: Limits = NO_LIMITS, *, lease: int = 120, tick: float = 0.25,
        patience: float = 5.0,
    ) -> None:  # fmt: skip
        self._database = database if isinstance(database, Database) else opened(database, [LEDGER])
        self._limits = limits
        self._lease = lease
        self._tick = tick
        self._patience = patience
        self._holder = uuid.uuid4().hex
        self._keeper = Keeper(self, tick=tick, lease=lease)

    def close(self) -> None:
        """Ends the thread that looks after the holds, and returns the connections."""
        self._keeper.close()
        self._database.close()

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        """See Quota: bytes, an object and an upload under way, of project, project in store, and store. What an attempt
        holds in further stores is no upload more of the project."""
        if size is not None and size > LARGEST:
            raise errors.ImageTooLarge(f"The image has {size} bytes; {LARGEST} are the most that can be counted.")
        place = Place(store, attempt.key)
        entry = Entry(place, attempt.owner, attempt.image_id, attempt.number, HELD, size or 0)
        bounds = bounds_of(self._limits, attempt.owner, store)
        wait = self._patience_of(place)
        while True:
            try:
                self._reserve(entry, bounds)
                break
            except Refused as refused:
                wait(refused)
        hold = SqlHold(self, place, attempt.owner, entry.size, known=size is not None)
        self._keeper.keep(hold)
        return hold

    def give_back(self, owner: str, location: Location, size: int) -> None:
        """See Quota. Of an object in whatever state, and a no-op the second time."""
        self.forget(Place(location.store, location.key))

    def add_image(self, image_id: str, owner: str) -> None:
        """An image more. Raises QuotaExceeded."""
        bounds = self.bounds(owner)
        try:
            self._database.change(lambda connection: entries.add_image(connection, image_id, owner, bounds))
        except Refused as refused:
            raise refused.error() from refused

    def remove_image(self, image_id: str) -> None:
        """The image was deleted; its objects count for their stores alone until they are given back."""
        self._database.change(lambda connection: entries.remove_image(connection, image_id))

    def account(self, owner: str, store: str = "") -> Weight:
        """What a project has in all stores or in one; with owner "" what a store has."""
        account = Account(owner, store)
        return self._database.read(lambda connection: accounts.present(connection, account)) or NOTHING

    def accounts(self) -> dict[Account, Weight]:
        """Every account that has something."""
        rows = self._database.read(lambda connection: connection.execute(sa.select(ACCOUNTS)).all())
        found = {
            Account(row.owner, row.store): Weight(row.used_bytes, row.held_bytes, row.images, row.uploads)
            for row in rows
        }
        return {account: has for account, has in found.items() if has != NOTHING}

    def allowance(self, owner: str) -> Allowance:
        """The limits of a project."""
        return self._limits.project(owner)

    def bounds(self, owner: str) -> Bounds:
        """The limits that one image more of a project has to keep; asked for before a transaction."""
        return bounds_of(self._limits, owner)

    def held(self) -> Sequence[Entry]:
        """All holds, of living and of dead processes."""
        return self._holds(sa.true())

    def expired(self) -> Sequence[Entry]:
        """The holds whose processes died, or are cut off. Before one is settled or released the catalog must have ended
        its attempt, or say what became of it: the clock alone does not know."""
        return self._holds(ENTRIES.c.expires_at < Now())

    def settle(self, place: Place, size: int) -> bool:
        """For recovery: the attempt became active. False if there is no hold (any more)."""
        return self._database.change(lambda connection: entries.settle(connection, place, size))

    def release(self, place: Place) -> bool:
        """For recovery: the attempt did not become active, and its object is gone. False as above."""
        return self._database.change(lambda connection: entries.release(connection, place))

    def adopt(self, entry: Entry) -> None:
        """The entry is as given from now on: what the catalog has is the truth, and no limit is asked."""
        self._database.change(lambda connection: entries.adopt(connection, entry))

    def forget(self, place: Place) -> None:
        """The object, or the image, is gone, in whatever state its entry is."""
        self._database.change(lambda connection: entries.forget(connection, place))

    def ended(self, place: Place) -> None:
        """A transaction of the catalog has settled or released the hold: its session has nothing left to do."""
        hold = self._keeper.drop(place)
        if hold is not None:
            hold.forget()

    def extend(self, hold: SqlHold, total: int, slack: int) -> int:
        """See Teller."""
        while True:
            bounds = bounds_of(self._limits, hold.owner, hold.place.store).with_spare(3 * slack)
            try:
                return self._extend(hold, total, slack, bounds)
            except OwnerChanged as changed:
                hold.owner = changed.owner

    def shrink(self, hold: SqlHold, total: int) -> int:
        """See Teller."""
        return self._database.change(lambda connection: entries.shrink(connection, hold.place, total))

    def end(self, hold: SqlHold, actual: int | None) -> None:
        """See Teller."""
        self._keeper.drop(hold.place)
        try:
            self.finish(hold.place, actual)
        except (errors.CatalogUnavailable, OutcomeUnknown):
            self._keeper.end_later(hold.place, actual)

    def patience(self, hold: SqlHold) -> Callable[[Refused], None]:
        """See Teller."""
        return self._patience_of(hold.place)

    def renew(self) -> None:
        """See Chores."""
        mine = sa.update(ENTRIES).where(ENTRIES.c.holder == self._holder, ENTRIES.c.state.in_(HOLDING))
        self._database.change(lambda connection: connection.execute(mine.values(expires_at=Now() + 1000 * self._lease)))

    def tight(self) -> Sequence[Place]:
        """See Chores."""
        mine = sa.select(ENTRIES.c.store, ENTRIES.c.key).where(
            ENTRIES.c.holder == self._holder, ENTRIES.c.tight == sa.true()
        )
        rows = self._database.read(lambda connection: connection.execute(mine).all())
        return [Place(row.store, row.key) for row in rows]

    def finish(self, place: Place, actual: int | None) -> None:
        """See Chores."""
        if actual is None:
            self.release(place)
        else:
            self.settle(place, actual)

    def _reserve(self, entry: Entry, bounds: Bounds) -> None:
        try:
            self._database.change(
                lambda connection: entries.reserve(connection, entry, bounds, holder=self._holder, lease=self._lease)
            )
        except OutcomeUnknown as error:
            self._keeper.end_later(entry.place, None)
            raise errors.CatalogUnavailable("The quota failed while the upload began.", detail=str(error)) from error

    def _extend(self, hold: SqlHold, total: int, slack: int, bounds: Bounds) -> int:
        return self._database.change(
            lambda connection: entries.extend(connection, hold.place, total, slack, bounds, owner=hold.owner)
        )

    def _patience_of(self, place: Place) -> Patience:
        return Patience(self._database, place, tick=self._tick, patience=self._patience, wake=self._keeper.wake)

    def _holds(self, condition: sa.ColumnElement[bool]) -> Sequence[Entry]:
        query = sa.select(ENTRIES).where(ENTRIES.c.state.in_(HOLDING), condition)
        return [
            entries.entry_of(row) for row in self._database.read(lambda connection: connection.execute(query).all())
        ]
