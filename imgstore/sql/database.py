"""Connections and transactions. What the catalog and the ledger do is a function `work` that gets a connection.

`work` may run more than once: if another change was in the way, so that this one was certainly not made, it is tried
again after a random pause that grows. So `work` does nothing but SQL, and returns what it found. A failure before
COMMIT that remains is CatalogUnavailable. A failure of COMMIT itself is OutcomeUnknown, which is not one of the
library's errors. Transactions are short: none is open while bytes of an image move, or while another service is asked.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from imgstore import distribution, errors
from imgstore.sql import address as addresses
from imgstore.sql.address import Address
from imgstore.sql.dialects import engine_of, isolated, lock_wait, single, wait_at_most
from imgstore.sql.failures import Contention, describe, not_committed, not_made
from imgstore.sql.fair_share import FairShare

LOG = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

CONNECTIONS = 10
FOR_READS = 3
"""Of the connections to a server: changes may all wait for one row that somebody keeps locked, and hold the others."""
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.5
"""Seconds before a change is tried again, at most; each pause may be twice as long as the one before."""


class Database:
    """One database, for all threads of a process. `address`: where it is, or its URL. `busy_timeout`: seconds for which
    a change waits for others, and a server may take for a statement, if that is longer than a wait for a lock.
    `connections`: the most that are open to a server, given in the order of coming (`fair_share`), a few of them never
    to changes; a file has one writer at a time, in the same order. `bounded` False: statements may take any time (an
    upgrade's). `read_only`: the database itself refuses every change, and is not made where it is missing."""

    def __init__(
        self, address: Address | str, *, busy_timeout: float = 30.0, connections: int = CONNECTIONS,
        bounded: bool = True, read_only: bool = False,
    ) -> None:  # fmt: skip
        deadline = max(busy_timeout, 2.0 * lock_wait(busy_timeout)) if bounded else None
        self.address = addresses.given(address) if isinstance(address, str) else address
        try:
            self._engine = engine_of(
                self.address, patience=busy_timeout, connections=connections, deadline=deadline, read_only=read_only
            )
        except ImportError as error:
            raise _missing(self.address) from error
        except SQLAlchemyError as error:
            raise not_made(error, "being opened") from error
        self._patience = busy_timeout
        self._all = FairShare(connections, patience=busy_timeout)
        writers = 1 if self.address.embedded else max(1, connections - FOR_READS)
        self._writers = FairShare(writers, patience=busy_timeout)

    def read(self, work: Work[T]) -> T:
        """Returns what `work` returns, of one consistent view. Raises CatalogUnavailable, and what `work` raises."""
        return self.retried(lambda: self._read(work))

    def first(self, query: sa.Select[Any], parameters: Mapping[str, Any]) -> sa.Row[Any] | None:
        """The first row that a query finds, as `read`; a single statement needs no transaction."""
        return self.retried(lambda: self._first(query, parameters))

    def change(self, work: Work[T]) -> T:
        """Commits the changes of `work` and returns what it returns. If `work` raises, nothing is changed.

        Raises CatalogUnavailable (nothing was changed), OutcomeUnknown, and what `work` raises.
        """
        return self.retried(lambda: self._change(work))

    def retried(self, action: Callable[[], T]) -> T:
        """What `action` returns, which is tried again after Contention: what it read was changed before its change."""
        until, pause = time.monotonic() + self._patience, FIRST_PAUSE
        while True:
            try:
                return action()
            except Contention:
                if time.monotonic() >= until:
                    raise
            time.sleep(random.uniform(0, pause))  # noqa: S311 - so that two do not move in step
            pause = min(2 * pause, LONGEST_PAUSE)

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _connected(self, *shares: FairShare) -> Iterator[sa.Connection]:
        """One patience for all: the turns in this process, and the lock of the file."""
        with contextlib.ExitStack() as stack:
            left = self._patience
            for share in shares:
                left = stack.enter_context(share.turn(left))
            connection = stack.enter_context(self._engine.connect())
            wait_at_most(connection, left)
            yield connection

    def _read(self, work: Work[T]) -> T:
        with _before_commit("reading"), self._connected(self._all) as plain:
            connection = isolated(plain, changes=False)
            with connection.begin():
                return work(connection)

    def _first(self, query: sa.Select[Any], parameters: Mapping[str, Any]) -> sa.Row[Any] | None:
        with _before_commit("reading"), self._connected(self._all) as plain:
            return single(plain).execute(query, parameters).first()

    def _change(self, work: Work[T]) -> T:
        shares = [self._writers] if self.address.embedded else [self._writers, self._all]
        with contextlib.ExitStack() as stack:
            with _before_commit("changing it"):
                connection = isolated(stack.enter_context(self._connected(*shares)), changes=True)
                connection.begin()
            result = _done(work, connection)
            _commit(connection)
        return result


def _done(work: Work[T], connection: sa.Connection) -> T:
    """What `work` returns. What it raises is raised as it is, also where the connection breaks at the rollback: without
    COMMIT nothing was changed."""
    try:
        with _before_commit("changing it"):
            return work(connection)
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sa.Connection) -> None:
    try:
        connection.rollback()
    except SQLAlchemyError as error:
        connection.invalidate()
        LOG.warning("The database failed at a rollback, which changes nothing: %s", describe(error))


def _commit(connection: sa.Connection) -> None:
    try:
        connection.commit()
    except SQLAlchemyError as error:
        if not connection.invalidated:
            connection.invalidate()  # else the pool gets it back in the middle of the transaction
        raise not_committed(error) from error


@contextlib.contextmanager
def _before_commit(action: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise not_made(error, action) from error


def _missing(address: Address) -> errors.CatalogUnavailable:
    module, extra = addresses.MODULES[address.url.drivername]
    return errors.CatalogUnavailable(
        f"The catalog's database needs the module '{module}', which is missing. {distribution.install_extra(extra)}",
        retry_after=None,
    )
