"""Beginning an upload: whatever can be refused is refused before the first byte is read (law 5).

Each step registers its undo where it acquires something (law 3), so a refusal leaves nothing changed. The session that
is handed out owns it all from then on (`imgstore.session`).

What this module refuses to do: read, know HTTP, know a kind of storage.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.catalog import ImageCatalog
from imgstore.digests import DEFAULT_WINDOW, Digests, supported
from imgstore.driver import refuse_too_large
from imgstore.model import Attempt, UploadRequest
from imgstore.quota import UNLIMITED, Quota
from imgstore.seam import host_seam
from imgstore.session import HoldEnd, SessionParts, UploadSession, library_errors
from imgstore.store import Store, StoreSet
from imgstore.taps import Tap, TapFactory
from imgstore.undo import Undo

if TYPE_CHECKING:
    pass

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """`max_image_size` bytes (None: no limit); `hash_algo` of os_hash_value, as in hashlib; `checksum`: the md5 too;
    `digest_window` bytes that may wait for the digests. Raises UsageError for an algorithm that cannot be used."""

    max_image_size: int | None = None
    hash_algo: str = "sha512"
    checksum: bool = True
    digest_window: int = DEFAULT_WINDOW

    def __post_init__(self) -> None:
        if not supported(self.hash_algo):
            raise errors.UsageError(f"No digest of fixed length is called '{self.hash_algo}' in hashlib: use sha512.")


class UploadService:
    """Begins uploads. One for the whole host, used by all its threads."""

    def __init__(
        self,
        stores: StoreSet,
        *,
        catalog: ImageCatalog,
        quota: Quota = UNLIMITED,
        settings: UploadSettings | None = None,
        taps: Sequence[TapFactory] = (),
    ) -> None:
        self._stores = stores
        self._catalog = catalog
        self._quota = quota
        self._settings = settings or UploadSettings()
        self._taps = tuple(taps)

    def check_store(self, identifier: str | None) -> None:
        """Raises UnknownStore for a store that is not enabled, for a host that looks at other things before `begin`."""
        self._stores.resolve(identifier)

    def begin(self, request: UploadRequest) -> UploadSession:
        """Makes everything ready for the first byte.

        Raises, in this order: UnknownStore; what the catalog says (ImageNotFound, Forbidden, InvalidRequest,
        ImageConflict); StoreReadOnly; ImageTooLarge or QuotaExceeded where the size is known; what the store says
        (StoreFull, StoreUnavailable). Then nothing has changed.
        """
        if request.size is not None and request.size < 0:
            raise errors.InvalidRequest(f"The size is {request.size}: a number of bytes is 0 or more.")
        store = self._stores.resolve(request.store)
        undo = Undo()
        try:
            with library_errors():
                return self._begin(request, store, undo)
        except BaseException:
            undo.run()
            raise

    def _begin(self, request: UploadRequest, store: Store, undo: Undo) -> UploadSession:
        with host_seam("beginning the upload"):
            attempt = self._catalog.begin(request, store.identifier)
        undo.push(f"status saving of image {attempt.image_id}", lambda: self._catalog.release(attempt))
        store.refuse_if_read_only()
        refuse_too_large(request.size, self._settings.max_image_size)
        with host_seam("reserving quota"):
            hold = self._quota.reserve(attempt.owner, request.size)
        release_hold = HoldEnd(hold)
        undo.push(f"the hold on the quota of {attempt.owner}", release_hold)
        with store.blamed():
            writer = store.driver.open_writer(attempt.key, size=request.size, limit=self._settings.max_image_size)
        undo.push(f"object {attempt.key} being written to store {store.identifier}", writer.abort)
        digests = self._digests()
        undo.push("the digests' threads", digests.close)
        taps = self._open_taps(attempt, request.size, undo)
        parts = SessionParts(
            attempt=attempt,
            store=store,
            catalog=self._catalog,
            writer=writer,
            hold=release_hold,
            digests=digests,
            taps=taps,
            undo=undo,
            size=request.size,
            max_image_size=self._settings.max_image_size,
            hash_algo=self._settings.hash_algo,
            checksum=self._settings.checksum,
        )
        return UploadSession(parts)

    def _digests(self) -> Digests:
        names = {self._settings.hash_algo} | ({"md5"} if self._settings.checksum else set())
        return Digests(sorted(names), window=self._settings.digest_window)

    def _open_taps(self, attempt: Attempt, size: int | None, undo: Undo) -> list[Tap]:
        taps = []
        for factory in self._taps:
            tap = factory(attempt, size=size)
            if tap is not None:
                undo.push("a tap", tap.close)
                taps.append(tap)
        return taps
