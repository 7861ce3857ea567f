"""Fixtures: one test on each of the three kinds of databases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore.model import Attempt
from imgstore.sql.leases import LeaseKeeper
from tests.needs import needs_server
from tests.support.databases import SERVERS, DatabaseServer

WHY = "the tests run on a real server"
KINDS = (
    pytest.param("sqlite"),
    pytest.param("postgresql", marks=needs_server("postgres", why=WHY)),
    pytest.param("mariadb", marks=needs_server("mariadbd", why=WHY)),
)
SERVER_KINDS = KINDS[1:]


class Servers:
    """The servers of one session, each started when it is first asked for."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, DatabaseServer] = {}

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


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Which kind of database the test runs on."""
    return str(request.param)


@pytest.fixture
def database_url(
    servers: Servers, database_kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """An empty database. At the end the leases of attempts that a test did not end are renewed no more."""
    keepers: list[LeaseKeeper] = []
    add = LeaseKeeper.add

    def noted(keeper: LeaseKeeper, attempt: Attempt) -> None:
        keepers.append(keeper)
        add(keeper, attempt)

    monkeypatch.setattr(LeaseKeeper, "add", noted)
    with servers.database(database_kind, tmp_path) as url:
        yield url
        for keeper in keepers:
            keeper.stop()
