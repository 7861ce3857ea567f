"""Beginning an upload: whatever can be refused is refused before the first byte is read, and leaves nothing changed.

The session that is handed out owns everything from then on (`imgstore.transfers.session`); an upload to several stores
is one session, read once, with a copy in each.
"""

from __future__ import annotations

from collections.abc import Sequence

from imgstore import errors
from imgstore.bulkhead import asked_at
from imgstore.catalog import ImageCatalog, require_countable
from imgstore.driver.translate import host_failures
from imgstore.host_answers import asked_for, instance, require, require_granted, require_kind, require_renewed
from imgstore.model import Attempt, UploadRequest
from imgstore.quota import UNLIMITED, Quota
from imgstore.store import Store, StoreSet
from imgstore.transfers.begin import ALL, OFF, Plan, UploadSettings, admit, chosen, open_session, release, reserve
from imgstore.transfers.expected import Expected
from imgstore.transfers.observer import UPLOAD, Observer, checked_observers, observed
from imgstore.transfers.session import UploadSession, library_errors
from imgstore.transfers.taps import TapFactory, checked_factories
from imgstore.transfers.target import Target
from imgstore.undo import Undo

__all__ = ["UploadService", "UploadSettings"]


class UploadService:
    """Begins uploads. One for the whole host, used by all its threads. Raises UsageError for a part that lacks a method
    of its protocol, or has one that cannot be called so, and for a table without the LeasedCatalog around it."""

    def __init__(
        self,
        stores: StoreSet,
        *,
        catalog: ImageCatalog,
        quota: Quota = UNLIMITED,
        settings: UploadSettings | None = None,
        taps: Sequence[TapFactory] = (),
        observers: Sequence[Observer] = (),
    ) -> None:
        require_kind(stores, StoreSet, name="stores")
        require(catalog, ImageCatalog)
        require_renewed(catalog, by="LeasedCatalog")
        require(quota, Quota)
        self._stores = stores
        self._catalog = catalog
        self._quota = quota
        self._settings = UploadSettings() if settings is None else settings
        require_kind(self._settings, UploadSettings, name="settings")
        self._taps = checked_factories(taps)
        self._observers = checked_observers(observers)

    @property
    def takes_several_stores(self) -> bool:
        """Whether an upload may go to several stores."""
        return self._settings.several_stores != OFF

    def check_stores(self, identifiers: Sequence[str]) -> list[Store]:
        """The stores that an upload would go to, for a host that looks at other things before `begin`. Raises
        UnknownStore for one that is not enabled, InvalidRequest for one named twice, and for several if they are not
        taken."""
        if len(identifiers) > 1 and not self.takes_several_stores:
            raise errors.InvalidRequest("An upload goes to one store here.")
        return chosen(self._stores, identifiers)

    def begin(self, request: UploadRequest) -> UploadSession:
        """Makes everything ready for the first byte.

        Raises, in this order: InvalidRequest for a size or a digest that cannot be; what `check_stores` says; what the
        catalog says (ImageNotFound, Forbidden, InvalidRequest, ImageConflict); StoreReadOnly; ImageTooLarge or
        QuotaExceeded where the size is known; StoreBusy after its wait; what the store says (StoreFull,
        StoreUnavailable). Then nothing has changed.
        """
        names = self._names(request.stores)
        observation = observed(self._observers, UPLOAD, request.image_id, names, request.size, request.context)
        undo = Undo()
        try:
            with library_errors(), asked_at():
                plan = self._granted(request, undo)
                admitted, _ = admit(plan, reserve(plan, self._quota))
                return open_session(plan, admitted, taps=self._taps, observation=observation)
        except BaseException as error:
            undo.run()
            if observation is not None:
                observation.failed(error)
            raise

    def _names(self, identifiers: Sequence[str]) -> list[str]:
        try:
            return [store.identifier for store in self.check_stores(identifiers)]
        except (errors.UnknownStore, errors.InvalidRequest):
            return []

    def _granted(self, request: UploadRequest, undo: Undo) -> Plan:
        if request.size is not None and request.size < 0:
            raise errors.InvalidRequest(f"The size is {request.size}: a number of bytes is 0 or more.")
        expected = Expected.by_client(request.expected)
        stores = self.check_stores(request.stores)
        identifiers = [store.identifier for store in stores]
        begin = self._catalog.begin
        with host_failures("beginning the upload"):
            attempt = instance(Attempt, begin, request, identifiers)
        opened: list[Target] = []
        mine = asked_for(attempt, request.image_id)
        undo.push(f"status saving of image {mine.image_id}", lambda: release(self._catalog, mine, opened))
        require_granted(attempt, request.image_id, identifiers, begin)
        require_countable(attempt.image_id, attempt.owner)
        reached = [store.for_context(request.context) for store in stores]
        need_all = self._settings.several_stores == ALL
        return Plan(
            attempt, reached, self._catalog, self._settings, undo,
            size=request.size, need_all=need_all, expected=expected, opened=opened,
        )  # fmt: skip
