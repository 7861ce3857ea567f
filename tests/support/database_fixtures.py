"""Fixtures: one test on each of the three kinds of databases."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore.hosting.leases import LeaseKeeper
from imgstore.model import Attempt
from imgstore.sql import PARTS, Database, upgrade
from imgstore.sql.upgrade import DatabasePart
from tests.needs import needs_server
from tests.support.databases import SERVERS, DatabaseServer, in_memory

WHY = "the tests run on a real server"
KINDS = (
    pytest.param("sqlite"),
    pytest.param("postgresql", marks=needs_server("postgres", why=WHY)),
    pytest.param("mariadb", marks=[needs_server("mariadbd", why=WHY), pytest.mark.long]),
)
"""Two of them in every run, all three in the long form."""
SERVER_KINDS = KINDS[1:]
EACH_DATABASE = [
    KINDS[0], *(pytest.param(*kind.values, marks=[*kind.marks, pytest.mark.long]) for kind in KINDS[1:])
]  # fmt: skip
"""For `database_kind`: SQLite in every run, the servers in the long form."""


class Servers:
    """The servers of one session, each started when it is first asked for."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, DatabaseServer] = {}
        self._prepared: dict[tuple[str, ...], str] = {}

    def __getitem__(self, kind: str) -> DatabaseServer:
        if kind not in self._running:
            self._running[kind] = self._stack.enter_context(SERVERS[kind]())
        return self._running[kind]

    @contextlib.contextmanager
    def database(self, kind: str, directory: Path) -> Iterator[str]:
        """Inside, there is an empty database of that kind; SQLite's file is in `directory`. Gives its URL."""
        if kind == "sqlite":
            yield str(sa.URL.create("sqlite", database=str(directory / "database.sqlite")))
            return
        with self[kind].database() as url:
            yield url.render_as_string(hide_password=False)

    def tables(self, kind: str, parts: Sequence[DatabasePart]) -> str:
        """The URL of a database with the tables of these parts, and no rows; the tables are made once for each kind."""
        names = (kind, *(part.name for part in parts))
        url = self._prepared.get(names)
        if url is None:
            url = self._prepared[names] = self._stack.enter_context(self.database(kind, self._new_directory()))
            with contextlib.closing(Database(url)) as database:
                upgrade(database, parts)
        if kind == "sqlite":
            copied = shutil.copy(str(sa.make_url(url).database), self._new_directory())
            return str(sa.URL.create("sqlite", database=str(copied)))
        with contextlib.closing(Database(url)) as database:
            database.change(partial(_delete_rows, parts=parts))
        return url

    def _new_directory(self) -> Path:
        made = tempfile.TemporaryDirectory(prefix="imgstore-db-", dir=in_memory())
        return Path(self._stack.enter_context(made))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Which kind of database the test runs on."""
    return str(request.param)


@pytest.fixture
def no_renewals_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """At the end the leases of attempts that a test did not end are renewed no more."""
    keepers: list[LeaseKeeper] = []
    add = LeaseKeeper.add

    def noted(keeper: LeaseKeeper, attempt: Attempt) -> None:
        keepers.append(keeper)
        add(keeper, attempt)

    monkeypatch.setattr(LeaseKeeper, "add", noted)
    yield
    for keeper in keepers:
        keeper.stop()


@pytest.fixture
def database_url(servers: Servers, database_kind: str, tmp_path: Path, no_renewals_left: None) -> Iterator[str]:
    """An empty database."""
    with servers.database(database_kind, tmp_path) as url:
        yield url


@pytest.fixture
def tables(servers: Servers, database_kind: str, no_renewals_left: None) -> str:
    """A database with all tables and no rows; its URL."""
    return servers.tables(database_kind, PARTS)


def _delete_rows(connection: sa.Connection, parts: Sequence[DatabasePart]) -> None:
    for part in parts:
        for table in reversed(part.metadata.sorted_tables):
            connection.execute(sa.delete(table))
