"""Connections to PostgreSQL on which no wait for the server is without end.

PostgreSQL's own timeouts are the server's: one that is frozen, or behind a network that swallows packets, keeps none
of them, and libpq has no limit of its own. So each wait has a deadline here. After it the connection is closed: nothing
was changed, unless it was COMMIT that was waited for.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

RV = TypeVar("RV")


class BoundedConnection(psycopg.Connection[Any]):
    """Waits for the server for at most `patience` seconds at a time."""

    patience = float("inf")

    def wait(self, gen: Generator[Any, Any, RV], *args: Any, **kwargs: Any) -> RV:
        """Raises OperationalError; the connection is closed then."""
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        until = time.monotonic() + self.patience
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > until:
                    self._give_up()
                wanted = gen.send(ready)
        except StopIteration as end:
            value: RV = end.value
            return value

    def _give_up(self) -> None:
        self.close()
        raise psycopg.OperationalError(f"no answer from the server in {self.patience:g} seconds")


def connect(arguments: Any, parameters: Any, *, patience: float) -> BoundedConnection:
    """A connection, as SQLAlchemy asks for it."""
    connection = BoundedConnection.connect(*arguments, **parameters)
    connection.patience = patience
    return connection
