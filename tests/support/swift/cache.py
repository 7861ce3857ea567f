"""Caches for Swift, which run in its own environment, in the proxy's pipeline: one remembers nothing, one as much as
memcached does, for the one process that there is.

Without any cache there an unknown token would be 500 instead of 401. With one that remembers, quotas and rules lag, and
a request costs half: account and container are not asked for again each time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class NoCache:
    """The interface of Swift's memcached client."""

    def get(self, key: str, *_: object, **__: object) -> Any:
        """Nothing is known."""
        return None

    def get_multi(self, keys: Sequence[str], *_: object, **__: object) -> list[Any]:
        """What is known of each."""
        return [self.get(key) for key in keys]

    def set(self, key: str, value: object, **options: Any) -> None:
        """Forgets it."""

    def set_multi(self, mapping: dict[str, object], *_: object, **options: Any) -> None:
        """The same for each."""
        for key, value in mapping.items():
            self.set(key, value, **options)

    def delete(self, key: str, *_: object, **__: object) -> None:
        """There is nothing to delete."""

    def incr(self, key: str, delta: int = 1, **_: object) -> int:
        """As if it were the first time."""
        return max(int(delta), 0)

    def decr(self, key: str, delta: int = 1, **_: object) -> int:
        """As if it were the first time."""
        return 0


class Cache(NoCache):
    """Remembers values as JSON, each for so many seconds as Swift says (0: for ever). It counts nothing."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, str]] = {}

    def get(self, key: str, *_: object, **__: object) -> Any:
        """What was set, unless it is too old."""
        until, value = self._known.get(key, (0.0, "null"))
        return json.loads(value) if time.time() < until else None

    def set(self, key: str, value: object, **options: Any) -> None:
        """Remembers it."""
        seconds = float(options.get("time") or "inf")
        self._known[key] = (time.time() + seconds, json.dumps(value))

    def delete(self, key: str, *_: object, **__: object) -> None:
        """Forgets it."""
        self._known.pop(key, None)


def filter_factory(_: object, *, remembers: str = "no", **__: object) -> Callable[[App], App]:
    """For paste.deploy."""
    cache = Cache() if remembers == "yes" else NoCache()

    def make(app: App) -> App:
        def run(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["swift.cache"] = cache
            return app(environ, start_response)

        return run

    return make
