"""Where a database is: parses what an operator wrote into an address that never shows its password.

A password may be where none belongs: among the parameters behind a '?', or cut by an '@' that it has. So parameters are
never shown, and what has an '@' too many is refused without its text.

The package is written for and tested on SQLite, PostgreSQL (psycopg) and MySQL or MariaDB (PyMySQL); it refuses others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from imgstore.distribution import needs

with needs("sql"):  # this module of the package is imported first
    import sqlalchemy as sa

DRIVERS = {
    "sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}  # fmt: skip
"""The driver for each scheme."""
MODULES = {"postgresql+psycopg": ("psycopg", "postgresql"), "mysql+pymysql": ("pymysql", "mysql")}
"""For each driver the module that it needs, and the extra of imgstore that installs it."""


_OF_SERVER = re.compile(r"[A-Za-z][A-Za-z0-9+]*:|.*:.*@|(.*\s)?(host|hostaddr|user|password|dbname)\s*=", re.DOTALL)
"""What begins like a URL, has a password like one, or is the connection string of PostgreSQL's own tools."""


@dataclass(frozen=True)
class Address:
    """A database. `str` and `repr` show three stars for its password, and no parameters."""

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
        return self.url.set(query={}).render_as_string(hide_password=True)

    def __repr__(self) -> str:
        return f"Address({self})"


def address_of_file(path: Path) -> Address:
    """The SQLite database in a file."""
    return Address(sa.URL.create("sqlite", database=str(path.resolve())))


def is_file_path(text: str) -> bool:
    """Whether an operator means the file of an SQLite database: no URL, and nothing that was to be one."""
    return not text.startswith((":", "//")) and _OF_SERVER.match(text) is None


def parse(text: str) -> Address:
    """The address in a URL such as `postgresql://user:password@host/name`. Raises ValueError, never with the text."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # the latter for a port that is no number
        raise ValueError("it is not a URL such as postgresql://user:password@host/name") from None
    name = url.drivername
    if name not in DRIVERS and name not in DRIVERS.values():
        raise ValueError("it begins with none of sqlite://, postgresql:// and mysql://")
    address = Address(url.set(drivername=DRIVERS.get(name, name)))
    if not address.embedded and _is_cut(url, text):
        raise ValueError("there is an '@' too many in it")
    return address


def given(text: str) -> Address:
    """The same for a host's code: the ValueError says what to write. A database in memory would be another one for each
    connection."""
    try:
        address = parse(text)
    except ValueError as error:
        cure = ". For a file write sqlite:/// and its path" if is_file_path(text) else ""
        raise ValueError(f"The address of a database is wrong: {error}{cure}.") from None
    if address.embedded and address.file is None:
        raise ValueError("The address of a database names no file: write sqlite:/// and its path.")
    return address


def _is_cut(url: sa.URL, text: str) -> bool:
    """Whether an '@' may be a part of the password, and the rest of it in host, name or parameters."""
    behind_scheme = text.partition("://")[2]
    behind_user = behind_scheme if url.password is None else behind_scheme.partition(":")[2]
    return behind_user.count("@") > 1 or "@" in f"{url.host}{url.database}"
