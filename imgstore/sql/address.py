"""Where a database is: parses what an operator wrote into an address that never shows its password.

The package is written for and tested on SQLite, PostgreSQL (psycopg) and MySQL or MariaDB (PyMySQL); it refuses others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

DRIVERS = {
    "sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}  # fmt: skip
"""The driver for each scheme."""
MODULES = {"postgresql+psycopg": ("psycopg", "postgresql"), "mysql+pymysql": ("pymysql", "mysql")}
"""For each driver the module that it needs, and the extra of imgstore that installs it."""


@dataclass(frozen=True)
class Address:
    """A database. `str` and `repr` show three stars for its password."""

    url: sa.URL

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for a server, or for a database in memory."""
        name = self.url.database
        return Path(name) if self.embedded and name and name != ":memory:" else None

    @property
    def embedded(self) -> bool:
        """Whether the database is a part of the process, not a server."""
        return self.url.get_backend_name() == "sqlite"

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)


def address_of_file(path: Path) -> Address:
    """The SQLite database in a file."""
    return Address(sa.URL.create("sqlite", database=str(path.resolve())))


def parse(text: str) -> Address:
    """The address in a URL such as `postgresql://user:password@host/name`. Raises ValueError, never with the text."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # the latter for a port that is no number
        raise ValueError("it is not a URL such as postgresql://user:password@host/name") from None
    name = url.drivername
    if name not in DRIVERS and name not in DRIVERS.values():
        raise ValueError("it begins with none of sqlite://, postgresql:// and mysql://")
    return Address(url.set(drivername=DRIVERS.get(name, name)))
