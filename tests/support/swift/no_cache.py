"""A cache for Swift that remembers nothing; runs in Swift's own environment, in the proxy's pipeline.

Without any cache there an unknown token would be 500 instead of 401; with a real one quotas and rules would lag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class NoCache:
    """The interface of Swift's memcached client."""

    def get(self, key: str, *_: object, **__: object) -> None:
        """Nothing is known."""

    def get_multi(self, keys: Sequence[str], *_: object, **__: object) -> list[None]:
        """Nothing is known of any."""
        return [None] * len(keys)

    def set(self, key: str, *_: object, **__: object) -> None:
        """Forgets it."""

    def set_multi(self, *_: object, **__: object) -> None:
        """Forgets them."""

    def delete(self, *_: object, **__: object) -> None:
        """There is nothing to delete."""

    def incr(self, key: str, delta: int = 1, **_: object) -> int:
        """As if it were the first time."""
        return max(int(delta), 0)

    def decr(self, key: str, delta: int = 1, **_: object) -> int:
        """As if it were the first time."""
        return 0


def filter_factory(_: object, **__: object) -> Callable[[App], App]:
    """For paste.deploy."""
    cache = NoCache()

    def make(app: App) -> App:
        def run(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["swift.cache"] = cache
            return app(environ, start_response)

        return run

    return make
