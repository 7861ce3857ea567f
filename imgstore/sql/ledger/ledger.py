"""The quota ledger: holds and usage of projects and stores, exact for all processes that share a database.

A host may take it without the catalog of this package, and the catalog without it. `SqlLedger` is a `Quota`. If the
number of images is limited, the host also tells it of its images (`add_image`, `remove_image`).

**A process may die between activation and settlement.** Until it settles, the object counts as held, afterwards as
used: its bytes are never missing from the account. If catalog and ledger share a database, the two are one transaction
(`LedgerHooks`). Otherwise the hold expires (`expired`). Whoever finds it asks the catalog what became of the attempt,
and then settles or releases the hold; both may come twice, and late.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from imgstore import errors
from imgstore.host_answers import require
from imgstore.limits import NO_LIMITS, Allowance, Limits
from imgstore.model import Attempt, Location, ObjectId
from imgstore.quota import Hold
from imgstore.sql.address import Address
from imgstore.sql.clock import Now
from imgstore.sql.database import Database
from imgstore.sql.failures import OutcomeUnknown
from imgstore.sql.ledger import accounts, entries
from imgstore.sql.ledger.accounts import Bounds, Refused, bounds_of
from imgstore.sql.ledger.charges import NOTHING, Charge, LedgerAccount
from imgstore.sql.ledger.early_holds import EarlyHolds
from imgstore.sql.ledger.entries import LedgerEntry, OwnerChanged
from imgstore.sql.ledger.hold import SqlHold
from imgstore.sql.ledger.hold_keeper import JOIN_SECONDS, HoldKeeper
from imgstore.sql.ledger.reclaim import Reclaim
from imgstore.sql.ledger.schema import ACCOUNTS, ENTRIES, HELD, HOLDING
from imgstore.sql.ledger.three_accounts import LARGEST
from imgstore.sql.upgrade import LEDGER, opened
from imgstore.supervised import Supervised


class SqlLedger:
    """Implements `Quota`, and `KeptQuota` of `imgstore.hosting`.

    `database`: an open one, or the address of one that the ledger opens and closes itself. In seconds: `lease`, for
    which a hold counts after its process died; `tick`, between two looks of a process whether others need its spare
    bytes; `patience`, for which others wait for them.

    All methods raise CatalogUnavailable if the database cannot be reached (nothing was changed), and OutcomeUnknown if
    COMMIT failed.
    """

    def __init__(
        self, database: Database | Address | str, limits: Limits = NO_LIMITS, *, lease: int = 120, tick: float = 0.25,
        patience: float = 5.0,
    ) -> None:  # fmt: skip
        require(limits, Limits)
        self._database = database if isinstance(database, Database) else opened(database, [LEDGER])
        self.limits = limits
        self._lease = lease
        self._tick = tick
        self._patience = patience
        self._holder = uuid.uuid4().hex
        self._keeper = HoldKeeper(self, tick=tick, lease=lease)
        self.early = EarlyHolds(self, self._database.address.url)

    @property
    def supervised(self) -> Supervised:
        """The upkeep of the holds."""
        return self._keeper.supervised

    def probe(self) -> None:
        """Reads from the ledger. Raises CatalogUnavailable."""
        self._database.read(lambda connection: connection.execute(sa.select(ACCOUNTS.c.owner).limit(1)).first())

    def close(self, seconds: float = JOIN_SECONDS) -> None:
        """Ends the thread that looks after the holds, for which it waits so many seconds, and closes the
        connections."""
        self._keeper.close(seconds)
        self._database.close()

    def reserve(self, attempt: Attempt, store: str, size: int | None) -> Hold:
        """See Quota. The hold counts bytes, an object and an upload for the project, for the project in the store, and
        for the store. However many stores an attempt writes to, its project has one upload of it."""
        if size is not None and size > LARGEST:
            raise errors.ImageTooLarge(f"The image has {size} bytes; {LARGEST} are the most that can be counted.")
        if size is not None and size < 0:
            raise errors.UsageError(f"The size is {size}: a number of bytes is 0 or more.")
        if not attempt.owner:
            raise errors.UsageError(f"The attempt for image {attempt.image_id[:80]} has no owner to count for.")
        hold = self.early.take(attempt, store, size)
        if hold is None:
            self._reserve(self.entry_held(attempt, store, size or 0))
            hold = self.kept(attempt, store, size)
        return hold

    def entry_held(self, attempt: Attempt, store: str, size: int) -> LedgerEntry:
        """The entry of a hold."""
        return LedgerEntry(
            ObjectId(store, attempt.key), attempt.owner, attempt.image_id, attempt.number, HELD, size
        )  # fmt: skip

    def kept(self, attempt: Attempt, store: str, size: int | None) -> SqlHold:
        """The hold whose entry is made, looked after from now on."""
        object_id = ObjectId(store, attempt.key)
        hold = SqlHold(self, object_id, attempt.owner, size or 0, known=size is not None)
        self._keeper.keep(hold)
        return hold

    def reserve_within(self, connection: sa.Connection, entry: LedgerEntry, bounds: Bounds) -> None:
        """See LedgerOfEarlyHolds."""
        entries.reserve(connection, entry, bounds, holder=self._holder, lease=self._lease, first=True)

    def give_back(self, owner: str, location: Location, size: int) -> None:
        """See Quota. In whatever state the object is; the second time nothing happens."""
        self.forget(ObjectId(location.store, location.key))

    def add_image(self, image_id: str, owner: str) -> None:
        """Counts an image. Raises QuotaExceeded."""
        bounds = self.bounds(owner)
        try:
            self._database.change(lambda connection: entries.add_image(connection, image_id, owner, bounds))
        except Refused as refused:
            raise refused.error() from refused

    def remove_image(self, image_id: str) -> None:
        """The image was deleted; its objects count for their stores alone until they are given back."""
        self._database.change(lambda connection: entries.remove_image(connection, image_id))

    def account(self, owner: str, store: str = "") -> Charge:
        """What a project has in all stores or in one; with owner "" what a store has."""
        account = LedgerAccount(owner, store)
        return self._database.read(lambda connection: accounts.present(connection, account)) or NOTHING

    def accounts(self) -> dict[LedgerAccount, Charge]:
        """Every account that has something."""
        rows = self._database.read(lambda connection: connection.execute(sa.select(ACCOUNTS)).all())
        found = {LedgerAccount(row.owner, row.store): accounts.charge_of(row) for row in rows}
        return {account: has for account, has in found.items() if has != NOTHING}

    def allowance(self, owner: str) -> Allowance:
        """The limits of a project."""
        return self.limits.project(owner)

    def bounds(self, owner: str) -> Bounds:
        """The limits for another image of a project. Asked for before a transaction."""
        return bounds_of(self.limits, owner)

    def held(self) -> Sequence[ObjectId]:
        """All holds, of living and of dead processes."""
        return self._holds(sa.true())

    def expired(self) -> Sequence[ObjectId]:
        """The holds of processes that died or are cut off. The clock alone does not tell these two apart: before you
        settle or release one, ask the catalog what became of its attempt."""
        return self._holds(ENTRIES.c.expires_at < Now())

    def settle(self, object_id: ObjectId, size: int) -> bool:
        """For recovery: the attempt became active. False if there is no hold (any more)."""
        return self._database.change(lambda connection: entries.settle(connection, object_id, size))

    def release(self, object_id: ObjectId) -> bool:
        """For recovery: the attempt did not become active, and its object is gone. False as above."""
        return self._database.change(lambda connection: entries.release(connection, object_id))

    def adopt(self, entry: LedgerEntry) -> None:
        """Replaces the object's entry, if any, by this one. Asks no limit: what the catalog has is the truth."""
        self._database.change(lambda connection: entries.adopt(connection, entry))

    def forget(self, object_id: ObjectId) -> None:
        """The object, or the image, is gone, in whatever state its entry is."""
        self._database.change(lambda connection: entries.forget(connection, object_id))

    def ended(self, object_id: ObjectId) -> None:
        """A transaction of the catalog has settled or released the hold: its session has nothing left to do."""
        self.early.forget(object_id)
        hold = self._keeper.drop(object_id)
        if hold is not None:
            hold.forget()

    def extend(self, hold: SqlHold, total: int, spare: int) -> int:
        """See HoldTransactions."""
        while True:
            bounds = bounds_of(self.limits, hold.owner, hold.object_id.store).with_headroom(3 * spare)
            work = partial(
                entries.extend, object_id=hold.object_id, total=total, spare=spare, bounds=bounds, owner=hold.owner
            )
            try:
                return self._database.change(work)
            except OwnerChanged as changed:
                hold.owner = changed.owner

    def shrink(self, hold: SqlHold, total: int) -> int:
        """See HoldTransactions."""
        return self._database.change(lambda connection: entries.shrink(connection, hold.object_id, total))

    def end(self, hold: SqlHold, actual: int | None) -> None:
        """See HoldTransactions."""
        self._keeper.drop(hold.object_id)
        try:
            self.finish(hold.object_id, actual)
        except (errors.CatalogUnavailable, OutcomeUnknown):
            self._keeper.end_later(hold.object_id, actual)

    def reclaim(self, object_id: ObjectId) -> Callable[[Refused], None]:
        """See HoldTransactions."""
        return Reclaim(self._database, object_id, tick=self._tick, patience=self._patience, wake=self._keeper.wake)

    def renew(self) -> None:
        """See UpkeepTransactions."""
        mine = sa.update(ENTRIES).where(ENTRIES.c.holder == self._holder, ENTRIES.c.state.in_(HOLDING))
        self._database.change(lambda connection: connection.execute(mine.values(expires_at=Now() + 1000 * self._lease)))

    def asked_for(self) -> Sequence[ObjectId]:
        """See UpkeepTransactions."""
        mine = (ENTRIES.c.holder == self._holder, ENTRIES.c.tight == sa.true())
        query = sa.select(ENTRIES.c.store, ENTRIES.c.key).where(*mine)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [ObjectId(row.store, row.key) for row in rows]

    def finish(self, object_id: ObjectId, actual: int | None) -> None:
        """See UpkeepTransactions."""
        if actual is None:
            self.release(object_id)
        else:
            self.settle(object_id, actual)

    def _reserve(self, entry: LedgerEntry) -> None:
        bounds = bounds_of(self.limits, entry.owner, entry.object_id.store)
        wait = self.reclaim(entry.object_id)
        while True:
            try:
                self._reserve_once(entry, bounds)
                return
            except Refused as refused:
                wait(refused)

    def _reserve_once(self, entry: LedgerEntry, bounds: Bounds) -> None:
        work = partial(entries.reserve, entry=entry, bounds=bounds, holder=self._holder, lease=self._lease)
        try:
            self._database.change(work)
        except OutcomeUnknown as error:
            self._keeper.end_later(entry.object_id, None)
            raise errors.CatalogUnavailable("The quota failed while the upload began.", detail=str(error)) from error

    def _holds(self, condition: sa.ColumnElement[bool]) -> Sequence[ObjectId]:
        query = sa.select(ENTRIES.c.store, ENTRIES.c.key).where(ENTRIES.c.state.in_(HOLDING), condition)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [ObjectId(row.store, row.key) for row in rows]
