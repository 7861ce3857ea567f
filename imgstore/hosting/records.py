"""What a host has on record, as recovery asks it: attempts, removals, standings and holds, in one object.

Whatever the host's code raises that is not the library's error means that its catalog cannot be reached: all methods
raise CatalogUnavailable; and UsageError for an answer that the protocol does not allow. A host without a quota of
several processes has no holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from imgstore import errors
from imgstore.driver.translate import host_failures
from imgstore.host_answers import answer_of, instance, nothing, require, truth
from imgstore.hosting.protocols import EndsUploads, KeptCatalog, KeptQuota, RestoreMemory
from imgstore.hosting.restored import compare
from imgstore.model import DeadAttempt, ObjectId, Removal, Standing
from imgstore.store import Store

LOG = logging.getLogger(__name__)


class HostRecords:
    """The records of one host, for all threads."""

    def __init__(
        self, catalog: KeptCatalog, quota: KeptQuota | None = None, *, restored: RestoreMemory | None = None
    ) -> None:
        for part, protocol in ((catalog, KeptCatalog), (quota, KeptQuota), (restored, RestoreMemory)):
            if part is not None:
                require(part, protocol)
        self._catalog = catalog
        self._quota = quota
        self._current: set[str] = set()
        self.restored = restored

    @property
    def lease(self) -> float:
        """See KeptCatalog."""
        return self._catalog.lease

    def expired(self) -> Sequence[DeadAttempt]:
        """See KeptCatalog."""
        with host_failures("looking for dead uploads"):
            return list(answer_of(self._catalog.expired))

    def take_back(self, dead: DeadAttempt) -> bool:
        """See KeptCatalog."""
        with host_failures("ending a dead upload"):
            return truth(self._catalog.take_back, dead)

    def abandon_uploads(self, catalog: EndsUploads) -> int:
        """See EndsUploads. Says so in the log."""
        with host_failures("ending all uploads"):
            ended = instance(int, catalog.abandon_uploads)
        if ended:
            LOG.warning("%s uploads ended with their process: their images are queued again", ended)
        return ended

    def removals(self, image_id: str | None = None) -> Sequence[Removal]:
        """See KeptCatalog."""
        with host_failures("looking for what is to be removed"):
            return list(answer_of(self._catalog.removals, image_id))

    def removed(self, removal: Removal) -> None:
        """The object is gone: it counts no more, and then the removal is forgotten."""
        self.gone(ObjectId(removal.store, removal.key))
        with host_failures("forgetting a removal"):
            nothing(self._catalog.removed, removal)

    def gone(self, object_id: ObjectId) -> None:
        """An object, recorded or not, is gone from its store: it counts no more."""
        if self._quota is not None:
            with host_failures("giving the quota back"):
                answer_of(self._quota.forget, object_id)

    def standings(self, store: str, keys: Iterable[str]) -> Mapping[str, Standing]:
        """See KeptCatalog."""
        with host_failures("looking up objects"):
            return dict(answer_of(self._catalog.standings, store, keys))

    def expired_holds(self) -> Sequence[ObjectId]:
        """See KeptQuota."""
        if self._quota is None:
            return ()
        with host_failures("looking for expired holds"):
            return list(answer_of(self._quota.expired))

    def holds(self) -> Sequence[ObjectId]:
        """See KeptQuota."""
        if self._quota is None:
            return ()
        with host_failures("looking for holds"):
            return list(answer_of(self._quota.held))

    def settle(self, object_id: ObjectId, size: int) -> None:
        """See KeptQuota."""
        if self._quota is not None:
            with host_failures("settling a hold"):
                answer_of(self._quota.settle, object_id, size)

    def release(self, object_id: ObjectId) -> None:
        """See KeptQuota."""
        if self._quota is not None:
            with host_failures("releasing a hold"):
                answer_of(self._quota.release, object_id)

    def is_restored(self) -> bool:
        """Whether the database was restored from a backup and nobody has looked yet: then nothing is removed."""
        return self._why_restored() is not None

    def removes_nothing(self) -> bool:
        """The same, and says so in the log."""
        reason = self._why_restored()
        if reason is not None:
            LOG.warning("Nothing is removed: %s See 'imgstore verify', then 'imgstore db resume'", reason)
        return reason is not None

    def require_current(self, store: Store) -> None:
        """Before something is removed from a store, which may be up before anybody has settled its place: is the
        database older than it? Raises CatalogUnavailable if so; StoreError (StoreBusy among them)."""
        if self.restored is None or store.identifier in self._current:
            return
        with store.slot():
            older = compare(store, self.restored)
        if older:
            raise errors.CatalogUnavailable("The database was restored from a backup: nothing is removed.")
        self._current.add(store.identifier)

    def _why_restored(self) -> str | None:
        if self.restored is None:
            return None
        with host_failures("asking whether it was restored"):
            return self.restored.reason()
