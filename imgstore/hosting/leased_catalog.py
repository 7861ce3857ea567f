"""A host's catalog whose attempts keep their leases: it stands between the services and the host's table.

The host gives it to `UploadService` (and `LeasedCopyCatalog` to `CopyService`) in place of the table. The leases of
what begins here are renewed until it ends here. `confirm` answers from memory while bytes arrive, and asks the table
before the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imgstore.catalog import image_gone
from imgstore.driver.translate import host_failures
from imgstore.hosting.leases import LeaseKeeper
from imgstore.hosting.protocols import HostCatalog, HostCopyCatalog
from imgstore.model import Attempt, Location, StoredImage, UploadRequest, UploadResult


class LeasedCatalog:
    """Implements ImageCatalog on `table`. One in each process; `close` ends its thread."""

    def __init__(self, table: HostCatalog) -> None:
        self.table = table
        self.leases = LeaseKeeper(self._renew, lease=table.lease)

    def begin(self, request: UploadRequest, stores: Sequence[str]) -> Attempt:
        """See ImageCatalog."""
        return self._kept(self.table.begin(request, stores))

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        """See AttemptCatalog. What the table returns, though it should return nothing, is for the session to refuse."""
        returned: object = self.table.activate(attempt, result)  # type: ignore[func-returns-value]  # see above
        self.leases.drop(attempt)
        return returned  # type: ignore[return-value]  # see above

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        """See AttemptCatalog. Not `certain`: knows what the last renewal of the leases found."""
        if self.leases.is_lost(attempt):
            raise image_gone(attempt.image_id)
        if certain:
            return self.table.confirm(attempt, certain=True)
        return None

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        """See AttemptCatalog. If the release fails, recovery ends the attempt, because its lease is renewed no more."""
        self.leases.drop(attempt)
        return self.table.release(attempt, unremoved)

    def close(self) -> None:
        """Ends the thread that renews leases."""
        self.leases.stop()

    def _kept(self, attempt: Attempt) -> Attempt:
        """A table that returns something else is refused by the session."""
        if isinstance(attempt, Attempt):
            self.leases.add(attempt)
        return attempt

    def _renew(self, attempts: Sequence[Attempt]) -> Collection[Attempt]:
        with host_failures("renewing leases"):
            return self.table.renew(attempts)


class LeasedCopyCatalog(LeasedCatalog):
    """Implements CopyCatalog, too."""

    table: HostCopyCatalog

    def __init__(self, table: HostCopyCatalog) -> None:
        super().__init__(table)

    def begin_copy(self, image_id: str, stores: Sequence[str], context: object = None) -> tuple[Attempt, StoredImage]:
        """See CopyCatalog."""
        begun = self.table.begin_copy(image_id, stores, context)
        if isinstance(begun, tuple):
            self._kept(begun[0])
        return begun

    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        """See CopyCatalog, and `activate`."""
        returned: object = self.table.add_locations(attempt, locations)  # type: ignore[func-returns-value]
        self.leases.drop(attempt)
        return returned  # type: ignore[return-value]  # see `activate`
