"""Guards: what an exception is to become, or what is done before it goes on, written once and put around many blocks.

A `with` on a guard costs nothing worth counting where nothing fails. That is its reason to be: every chunk of an upload
passes several of them, and one made of a generator (`contextlib.contextmanager`) costs a microsecond each time. What
this module refuses to do: swallow an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

Failed = Callable[[BaseException], None]


class Guard:
    """Around a block: `failed` is called with what is raised inside. It raises what is to be raised instead, or returns
    and the exception goes on as it is. A guard holds nothing of a block and may serve many, in threads too."""

    __slots__ = ("_failed",)

    def __init__(self, failed: Failed) -> None:
        self._failed = failed

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            self._failed(error)
