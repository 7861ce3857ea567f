"""What a driver's author supplies: one storage under test, and a second pair of eyes on it."""

from __future__ import annotations

import urllib.error
import urllib.request
from abc import ABC, abstractmethod

from imgstore.driver.base import StoreDriver
from imgstore.testing.faults import FaultProxy

DEFAULT_BORDER = 64 * 1024
SMALLEST_BORDER = 1024
PATIENCE = 30.0


class Subject(ABC):
    """One storage, empty at the start of each test, and the drivers on it.

    `secrets`: every credential that the drivers are configured with; they must appear in no text at all.
    `internals`: what the operator may read in a log but a client must not see in an error's message: paths, hosts.
    `borders`: sizes in bytes at which the driver changes its behaviour (a buffer, a block, a part); configure the
    drivers so that they are small, since the tests write objects of a byte less, as many, and a byte more, and of
    twelve times the largest. `arrives_within`: seconds after which a request that an abort cut off has had its effect
    in the storage; 0 for a driver that has nothing in flight when `abort` returns. `shared`: whether another process
    sees the storage, so that one may be forked to die there; False for memory alone. `every_fault`: each request to a
    `server` is broken in every way. False saves two thirds of the time: its answer is lost, and one more way in turn.
    `verifies_urls`: whether the storage compares the signature of a temporary URL; False for an imitation that takes
    any.
    """

    secrets: tuple[str, ...] = ()
    internals: tuple[str, ...] = ()
    borders: tuple[int, ...] = (DEFAULT_BORDER,)
    arrives_within: float = 0.4
    shared: bool = True
    every_fault: bool = True
    verifies_urls: bool = True

    @property
    def largest(self) -> int:
        """The largest border, from which the tests take the sizes of their bodies."""
        return max(self.borders)

    @abstractmethod
    def open(self) -> StoreDriver:
        """A new driver on the storage, as another process would open it. The tests close it."""

    @abstractmethod
    def broken(self) -> StoreDriver:
        """A driver, with the same secrets, whose storage cannot be reached: a closed port, a directory that is gone."""

    def neighbour(self) -> StoreDriver:
        """A driver of another store on the same storage, empty too: another prefix of the bucket, a container beside, a
        directory beside. What is its is not in `inventory`, or under other names. The tests close it and remove what
        they wrote there."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say what another store on its storage is: implement `neighbour`."
        )

    def limited(self, capacity: int) -> StoreDriver:
        """A driver on the storage whose store may take so many bytes. For drivers with `HasCapacity` only."""
        raise NotImplementedError(
            f"The driver has a capacity, and {type(self).__name__} does not say how to set it: implement `limited`."
        )

    def server(self) -> str | None:
        """The URL of the HTTP server that the drivers talk to, with its port; None if they talk to none: a directory,
        memory, another protocol. With a server every request of every operation is broken in turn."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say which server its drivers talk to: implement `server`. It returns None "
            "where there is none, and else its URL; then implement `through` too."
        )

    def through(self, proxy: FaultProxy, *, timeout: float) -> StoreDriver:
        """A driver on the storage whose every request goes to `proxy.url` instead of `server()`, that of a login too.
        It waits `timeout` seconds for an answer (a fraction, where none comes), and tries a request twice at most: else
        the tests take long. For drivers with a `server` only."""
        raise NotImplementedError(
            f"The drivers talk to a server, and {type(self).__name__} does not say how they reach it through a proxy: "
            "implement `through`."
        )

    def memory(self, size: int) -> int | None:
        """Your formula: the most bytes that one upload of `size` bytes in small chunks, and then one download, may
        allocate, the storage's own included where it is this process. None: you state none."""
        return None

    def fetch(self, url: str) -> tuple[int, bytes]:
        """What a client without a credential gets for a temporary URL: the HTTP status, and the body of a 200."""
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - the driver under test made it
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, b""

    @abstractmethod
    def inventory(self) -> set[str]:
        """Everything that is physically in the storage, as another tool than the driver sees it (`os.walk`, a bare
        client): the key for what makes up a committed object, the physical name for anything else - a temporary file,
        a part, a segment without its manifest, an upload that was begun."""
