"""What a host's table does so that the library recovers it: small protocols, some of them optional.

A host has a table of images, a list of removals (objects that are still to be removed from their stores), and perhaps a
quota that several processes share. It implements `KeptCatalog` on the first two beside `ImageCatalog`, and `KeptQuota`
on the third. `imgstore.sql` is one implementation, an ORM of the host's is another. The library does the rest
(`Keeper`, `LeasedCatalog`).

Each attempt has a lease: the host's `begin` writes the time at which the lease ends, `lease` seconds from now, with the
image; `activate`, `release` and `take_back` end it. Use one clock for all processes, the database's if there is one.

Each method is one transaction, which is committed when the method returns. Threads of the library call them, several at
a time. An exception that is not the library's counts as CatalogUnavailable: it is logged, and the work is tried again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from imgstore.catalog import CopyCatalog, ImageCatalog
from imgstore.model import Attempt, DeadAttempt, ObjectId, Removal, Standing


class KeptCatalog(Protocol):
    """The catalog as recovery needs it."""

    @property
    def lease(self) -> float:
        """Seconds for which an attempt owns its image without a sign of life: 60, say. It is renewed in every third of
        them. The same in all processes."""

    def renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        """Gives each of these attempts another whole lease, also where the last one ran out. Returns those that do not
        own their image any more: it was deleted, or somebody took it back."""

    def expired(self) -> Sequence[DeadAttempt]:
        """The attempts whose lease ran out and that have not ended."""

    def take_back(self, dead: DeadAttempt) -> bool:
        """saving -> queued, by one compare-and-set on the number of the attempt **and** on a lease that is still over;
        in the same transaction each store of the attempt gets a removal of `attempt.key`. A copy's image stays active.
        True for the one of several callers who did it; False if the attempt ended or was renewed meanwhile."""

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        """The objects that are still to be removed, of one image or of all: those of dead attempts, those that
        `release` was told of as `unremoved`, those of stores that `activate` got no location for, and, if the host
        wants it, those of deleted images."""

    def removed(self, removal: Removal) -> None:
        """The object is gone from its store: forgets the removal. It may be told twice."""

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        """What the catalog knows of each of these objects in a store, with each key. `imgstore.model.attempt_of` tells
        which attempt writes under a key; one that was given out, is not under way, and has no location is dead for
        good, since no number is used twice."""


class HostCatalog(ImageCatalog, KeptCatalog, Protocol):
    """What `LeasedCatalog` takes: the catalog for uploads and their recovery."""


class HostCopyCatalog(HostCatalog, CopyCatalog, Protocol):
    """What `LeasedCopyCatalog` takes: the same for a host that copies images between stores, too."""


class KeptQuota(Protocol):
    """A quota for several processes, as recovery needs it. A hold is known by its object: store and key. Every step may
    come twice, and late; on what is not there it does nothing."""

    def expired(self) -> Sequence[ObjectId]:
        """The holds of processes that give no sign of life."""

    def held(self) -> Sequence[ObjectId]:
        """All holds, of living and of dead processes."""

    def settle(self, object_id: ObjectId, size: int) -> object:
        """The attempt became active: its hold is a usage of `size` bytes from now on."""

    def release(self, object_id: ObjectId) -> object:
        """The attempt did not become active, and left no object: its bytes are given back."""

    def forget(self, object_id: ObjectId) -> object:
        """The object is gone from its store: it counts no more, whether it was held or used."""


@runtime_checkable
class EndsUploads(Protocol):
    """A catalog whose host may know that no upload is under way: a service of one process."""

    def abandon_uploads(self) -> int:
        """Takes back all attempts that have not ended, whatever their lease. Returns how many."""


class RestoreMemory(Protocol):
    """A catalog that notices that its database was restored from a backup, and then removes nothing until somebody has
    looked. Each store has an epoch, a number that grows in the database first and in the store's place then."""

    def reason(self) -> str | None:
        """Why nothing may be removed, for people; None if all is well."""

    def declare(self, reason: str) -> None:
        """From now on nothing is removed. An earlier reason stays."""

    def epoch(self, store: str) -> int:
        """The epoch of a store; 0 if there is none yet."""

    def next_epoch(self, store: str) -> int:
        """Begins the next epoch of a store, and returns it."""
