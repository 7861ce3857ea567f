"""What a process must not share with the child that it forks: connections, and locks that another thread may hold.

Two processes that speak over one socket read each other's answers. A lock that another thread held at the fork is never
released in the child, since that thread is not there. So whatever has one of them is `OfOneProcess`: it is told in the
child, before anything else runs there, and begins anew. Nothing is closed in a way that the parent would notice.
"""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from types import TracebackType

_ALL: weakref.WeakSet[OfOneProcess] = weakref.WeakSet()


class OfOneProcess(ABC):
    """Something that a child must not share. A subclass calls `__init__`."""

    def __init__(self) -> None:
        _ALL.add(self)

    @abstractmethod
    def _forked(self) -> None:
        """Called in the child, while it has one thread: forgets what is the parent's."""


class ProcessLock(OfOneProcess):
    """A lock for the threads of one process: free in a child, whoever held it at the fork."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._lock.release()

    def _forked(self) -> None:
        self._lock = threading.Lock()


def _tell_all() -> None:
    for each in list(_ALL):
        each._forked()


os.register_at_fork(after_in_child=_tell_all)
