"""The filesystem objects of one store.

fsspec's are made for one thread (SFTP's loses the answers of the others), connect when they are made, and never again.
So each is lent to one user at a time: to a call, or to a writer or reader for its life. One that failed is thrown away.
Every call is on a thread that its caller leaves when its time is over (`BoundedCalls`); its connection is closed then,
which wakes that thread. fsspec's own cache of objects is not used: a child that is forked must not share them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import fsspec
from fsspec.spec import AbstractFileSystem

from imgstore import errors
from imgstore.driver import BoundedCalls, OfOneProcess, ProcessLock, bad, quiet
from imgstore.drivers.fsspec.errors import ANSWERS, ERRORS
from imgstore.drivers.fsspec.options import FsspecOptions

IDLE = 4
"""Filesystem objects that are kept for the next user."""
MOMENT = 0.9
"""Seconds for what nobody waits for."""

T = TypeVar("T")


class Filesystems(OfOneProcess):
    """Makes them, lends them and closes them. Making one connects; the constructor does not."""

    def __init__(self, options: FsspecOptions) -> None:
        super().__init__()
        quiet(logging.CRITICAL, "paramiko")
        quiet(logging.WARNING, "httpx", "httpcore", "fsspec")
        self.cls = filesystem_class(options.protocol)
        self.arguments = {**self.cls._get_kwargs_from_urls(options.url), **options.arguments()}
        self._patience = options.patience
        self._lock = ProcessLock()
        self._idle: list[Any] = []
        self._closed = False
        self.calls = BoundedCalls(options.patience, thread_name="imgstore-fsspec")

    @contextlib.contextmanager
    def lent(self) -> Iterator[Lent]:
        """One for a few calls."""
        lent = Lent(self)
        try:
            yield lent
        finally:
            lent.give_back()

    def call(self, action: str, work: Callable[[Any], T]) -> T:
        """What `work` returns, which is given a filesystem object. Raises StoreError."""
        with self.lent() as lent:
            return lent.call(action, work)

    def close(self) -> None:
        """Closes those that nobody has; the others are closed when they come back."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for each in idle:
            close_filesystem(each)

    def take(self) -> Any:
        """One that is connected. It forgets what it remembers of listings."""
        found = self._one_that_is_idle()
        if found is None:
            found = self.cls(**self.arguments, skip_instance_cache=True)
        found.invalidate_cache()
        return found

    def put_back(self, filesystem: Any) -> None:
        """Takes it back, or closes it."""
        with self._lock:
            keep = not self._closed and len(self._idle) < IDLE
            if keep:
                self._idle.append(filesystem)
        if not keep:
            close_filesystem(filesystem)

    def _one_that_is_idle(self) -> Any:
        while True:
            with self._lock:
                found = self._idle.pop() if self._idle else None
            if found is None or is_connected(found):
                return found
            close_filesystem(found)

    def _forked(self) -> None:
        """Not closed: that would speak over the parent's connections."""
        self._idle = []
        self.calls = BoundedCalls(self._patience, thread_name="imgstore-fsspec")


class Lent:
    """A filesystem object that one user has; it is taken at the first call."""

    def __init__(self, owner: Filesystems) -> None:
        self._owner = owner
        self._filesystem: Any = None
        self._over = False

    def call(self, action: str, work: Callable[[Any], T], *, patience: float | None = None) -> T:
        """What `work` returns, which is given the object. Raises StoreError; the object is thrown away then, unless
        that was an answer."""
        with ERRORS.around(action):
            try:
                return self._owner.calls.run(action, lambda: work(self._taken()), patience=patience)
            except ANSWERS:
                raise
            except BaseException:
                self.throw_away()
                raise

    def give_back(self) -> None:
        """For the next user."""
        filesystem, self._filesystem, self._over = self._filesystem, None, True
        if filesystem is not None:
            self._owner.put_back(filesystem)

    def throw_away(self) -> None:
        """Closes it. Whoever waits on its connection wakes up."""
        filesystem, self._filesystem, self._over = self._filesystem, None, True
        if filesystem is not None:
            close_filesystem(filesystem)

    @property
    def is_over(self) -> bool:
        """Whether it was thrown away or given back."""
        return self._over

    def _taken(self) -> Any:
        if self._filesystem is None:
            if self._over:
                raise errors.StoreUnavailable("Image storage is not available: its connection was lost.")
            filesystem = self._owner.take()
            if self._over:  # meanwhile, since that took too long
                close_filesystem(filesystem)
            self._filesystem = filesystem
        return self._filesystem


def filesystem_class(protocol: str) -> Any:
    """fsspec's class for a protocol. Raises ConfigurationError."""
    try:
        return fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        raise bad("url", f"fsspec needs a package for '{protocol}' ({error}).", "Install that package.") from error
    except ValueError:
        raise bad("url", f"fsspec has no '{protocol}'.", "Use one of fsspec.available_protocols().") from None


def renames(cls: Any) -> bool:
    """Whether the class has a way of its own to rename a file; by default fsspec copies it and removes the first."""
    return cls.mv is not AbstractFileSystem.mv


def is_connected(filesystem: Any) -> bool:
    """Of SFTP, the only one that tells it without asking. The others connect again by themselves, or fail."""
    ask = getattr(getattr(filesystem, "client", None), "get_transport", None)
    transport = None if ask is None else ask()
    return ask is None or (transport is not None and bool(transport.is_active()))


def close_filesystem(filesystem: Any) -> None:
    """Closes its connections, as far as there is a way: fsspec has none. SFTP's has a thread, which ends then."""
    client = getattr(filesystem, "client", None)
    thread = getattr(client, "get_transport", lambda: None)()
    with contextlib.suppress(Exception):  # it is thrown away in any case
        for each in (client, getattr(client, "http", None)):
            getattr(each, "close", lambda: None)()
        if thread is not None:
            thread.join(MOMENT)
