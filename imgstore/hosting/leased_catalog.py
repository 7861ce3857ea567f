"""A host's catalog whose attempts keep their leases: it stands between the services and the host's table.

The host gives it to `UploadService` (and `LeasedCopyCatalog` to `CopyService`) in place of the table. The leases of
what begins here are renewed until it ends here. `confirm` answers from memory while bytes arrive, and asks the table
before the commit. A mistake of the table's is told by its own name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imgstore import errors
from imgstore.catalog import image_gone
from imgstore.driver.translate import OnFailure, host_failures
from imgstore.host_answers import answer_of, instance, nothing, require, truth
from imgstore.hosting.leases import LeaseKeeper
from imgstore.hosting.protocols import HostCatalog, HostCopyCatalog
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult


class LeasedCatalog:
    """Implements ImageCatalog on `table`. One in each process; `close` ends its thread. Raises UsageError for a table
    that lacks a method."""

    def __init__(self, table: HostCatalog) -> None:
        require(table, HostCatalog)
        self.table = table
        self.leases = LeaseKeeper(self._renew, lease=_lease_of(table))

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        """See ImageCatalog."""
        attempt = instance(Attempt, self.table.begin, request, stores)
        self._keep(attempt)
        return attempt

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """See AttemptCatalog."""
        nothing(self.table.activate, attempt, result)
        self.leases.drop(attempt)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """See AttemptCatalog. Not `certain`: knows what the last renewal of the leases found."""
        if self.leases.is_lost(attempt):
            raise image_gone(attempt.image_id)
        if certain:
            nothing(self.table.confirm, attempt, certain=True)

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        """See AttemptCatalog. If the release fails, recovery ends the attempt, because its lease is renewed no more."""
        self.leases.drop(attempt)
        return truth(self.table.release, attempt, unremoved)

    def close(self) -> None:
        """Ends the thread that renews leases."""
        self.leases.stop()

    def _keep(self, attempt: Attempt) -> None:
        """From now on its lease is renewed. Where that cannot be (the process has as many threads as it may), it ends:
        nobody would know of it."""

        def ended(error: BaseException) -> None:
            self.release(attempt)

        with OnFailure(ended):
            self.leases.add(attempt)

    def _renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        with host_failures("renewing leases"):
            return list(answer_of(self.table.renew, attempts))


class LeasedCopyCatalog(LeasedCatalog):
    """Implements CopyCatalog, too."""

    table: HostCopyCatalog

    def __init__(self, table: HostCopyCatalog) -> None:
        require(table, HostCopyCatalog)
        super().__init__(table)

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        """See CopyCatalog. What is no such pair the copy refuses."""
        begun = answer_of(self.table.begin_copy, image_id, stores, context)
        if isinstance(begun, tuple) and begun and isinstance(begun[0], Attempt):
            self._keep(begun[0])
        return begun

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        """See CopyCatalog."""
        nothing(self.table.add_locations, attempt, locations)
        self.leases.drop(attempt)


def _lease_of(table: HostCatalog) -> float:
    lease: object = getattr(table, "lease", None)
    if isinstance(lease, bool) or not isinstance(lease, int | float) or lease <= 0:
        raise errors.UsageError(f"{type(table).__name__}.lease is not the seconds of a lease, such as 60.")
    return lease
