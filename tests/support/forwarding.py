"""A host's wrapper around a part of its own. Since Python 3.12 isinstance does not see what `__getattr__` answers."""

from __future__ import annotations

from typing import Any


class Forwarding:
    """`inner`, which can be called if it could."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._inner(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
