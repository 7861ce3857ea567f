"""Changes that are in each other's way: what was certainly not made is tried again, and only that."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import Database, OutcomeUnknown, failures
from tests.support.database_fixtures import SERVER_KINDS, Servers
from tests.support.race import together
from tests.support.waiting import until

TABLE = sa.Table("pairs", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))


@pytest.fixture(params=SERVER_KINDS)
def server_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(servers: Servers, server_kind: str, tmp_path: object) -> Iterator[Database]:
    """A database with two rows, on a server."""
    with servers[server_kind].database() as url:
        database = Database(url.render_as_string(hide_password=False))
        TABLE.create(database._engine)
        database.change(lambda connection: connection.execute(sa.insert(TABLE), [{"id": 1, "n": 0}, {"id": 2, "n": 0}]))
        yield database
        database.close()


def add_one(connection: sa.Connection, row: int) -> None:
    connection.execute(sa.update(TABLE).where(TABLE.c.id == row).values(n=TABLE.c.n + 1))


def counts(database: Database) -> list[int]:
    query = sa.select(TABLE.c.n).order_by(TABLE.c.id)
    return database.read(lambda connection: list(connection.scalars(query)))


def test_deadlock_is_tried_again_until_both_changes_are_made(server: Database) -> None:
    """Two threads lock two rows in opposite orders; the first time each waits until the other has its first row."""
    both = threading.Barrier(2, timeout=30)
    tries: list[int] = []

    def change(connection: sa.Connection, first: int) -> None:
        tries.append(first)
        add_one(connection, first)
        if tries.count(first) == 1:
            both.wait()
        add_one(connection, 3 - first)

    together(*(partial(server.change, partial(change, first=first)) for first in (1, 2)))
    assert counts(server) == [2, 2]
    assert len(tries) == 3, "one of the two was tried again"


IDLE = {
    "postgresql": "SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'",
    "mariadb": "SELECT 1000 * @@SESSION.idle_transaction_timeout",
}
"""Milliseconds."""


def test_transaction_of_a_frozen_process_ends_and_gives_its_locks_back(server: Database, server_kind: str) -> None:
    bound = server.read(lambda connection: connection.scalar(sa.text(IDLE[server_kind])))
    assert int(bound) == 100_000


def test_reads_wait_for_no_change(server: Database) -> None:
    """All changes that there may be at a time, and more, wait for one row that somebody keeps locked."""
    tries: list[int] = []

    def change(connection: sa.Connection) -> None:
        tries.append(1)
        add_one(connection, 1)

    with server._engine.connect() as somebody:
        add_one(somebody, 1)
        changes = [threading.Thread(target=server.change, args=(change,)) for _ in range(12)]
        for each in changes:
            each.start()
        until(lambda: len(tries) == len(server._writers._inside) == server._writers._most)
        assert counts(server) == [0, 0]
        assert len(tries) == server._writers._most, "none of them ended before"
        somebody.rollback()
    for each in changes:
        each.join()
    assert counts(server) == [12, 0]


def test_reads_take_what_no_change_needs(server: Database) -> None:
    """Reads that take long, such as lists, hold up no other read while no change wants a connection."""
    inside = threading.Barrier(8, timeout=20)
    assert together(*[partial(server.read, lambda connection: inside.wait() >= 0)] * 8) == [True] * 8


def session_of(connection: sa.Connection) -> int:
    """The server's number for a connection."""
    query = "SELECT pg_backend_pid()" if connection.dialect.name == "postgresql" else "SELECT CONNECTION_ID()"
    return int(connection.scalar(sa.text(query)) or 0)


def end_session(server_kind: str, number: int, servers: Servers) -> None:
    """Ends a session behind its back, as an operator or a failover does."""
    end = {"postgresql": f"SELECT pg_terminate_backend({number}, 10000)", "mariadb": f"KILL {number}"}
    servers[server_kind].execute(end[server_kind])


def test_connection_that_breaks_before_commit_is_replaced(server: Database, server_kind: str, servers: Servers) -> None:
    tries: list[int] = []

    def change(connection: sa.Connection) -> None:
        tries.append(1)
        add_one(connection, 1)
        if len(tries) == 1:
            end_session(server_kind, session_of(connection), servers)
        add_one(connection, 2)

    server.change(change)
    assert (counts(server), len(tries)) == ([1, 1], 2)


def test_connection_that_breaks_at_commit_leaves_the_outcome_unknown(
    server: Database, server_kind: str, servers: Servers
) -> None:
    tries: list[int] = []

    def change(connection: sa.Connection) -> None:
        tries.append(1)
        add_one(connection, 1)
        end_session(server_kind, session_of(connection), servers)

    with pytest.raises(OutcomeUnknown):
        server.change(change)
    assert (counts(server), len(tries)) == ([0, 0], 1), "not tried again: for all one knows it was made"


def test_idle_connection_that_broke_is_found_out_before_it_is_used(
    server: Database, server_kind: str, servers: Servers
) -> None:
    tries: list[int] = []

    def change(connection: sa.Connection) -> None:
        tries.append(session_of(connection))

    server.change(change)
    end_session(server_kind, tries[0], servers)
    server.change(change)
    assert len(tries) == 2, "it did not come as far as the change"
    assert tries[1] != tries[0]


def test_sessions_do_not_depend_on_what_the_server_presets(server: Database, server_kind: str) -> None:
    """The tests' servers preset SERIALIZABLE, and MariaDB a mode that cuts what is too long."""
    query = {
        "postgresql": "SELECT upper(current_setting('transaction_isolation'))",
        "mariadb": "SELECT REPLACE(@@session.tx_isolation, '-', ' ')",
    }[server_kind]
    assert server.change(lambda connection: connection.scalar(sa.text(query))) == "READ COMMITTED"
    if server_kind == "mariadb":
        with pytest.raises(errors.UsageError) as caught:
            server.change(lambda connection: connection.execute(sa.insert(TABLE).values(id=3, n=2**40)))
        assert "range" in str(caught.value.detail)


def test_read_is_one_view_of_everything(server: Database) -> None:
    def work(connection: sa.Connection) -> list[int]:
        found = [connection.scalar(sa.select(TABLE.c.n).where(TABLE.c.id == 1))]
        thread = threading.Thread(target=server.change, args=(lambda other: add_one(other, 2),))
        thread.start()
        thread.join()
        found.append(connection.scalar(sa.select(TABLE.c.n).where(TABLE.c.id == 2)))
        return [number for number in found if number is not None]

    assert server.read(work) == [0, 0]
    assert counts(server) == [0, 1]


class Numbered(Exception):
    """What a driver raises."""

    sqlstate = "XX000"


def test_commit_that_the_database_says_it_rolled_back_was_certainly_not_made() -> None:
    for state, certain in (("40001", True), ("40P01", True), ("XX000", False), ("57P01", False)):
        cause = Numbered()
        cause.sqlstate = state
        found = failures.not_committed(sa.exc.OperationalError("COMMIT", None, cause))
        assert isinstance(found, failures.Contention if certain else OutcomeUnknown)


def test_what_is_raised_inside_a_change_undoes_it(server: Database) -> None:
    def change(connection: sa.Connection) -> None:
        add_one(connection, 1)
        raise errors.ImageConflict("no")

    with contextlib.suppress(errors.ImageConflict):
        server.change(change)
    assert counts(server) == [0, 0]
