"""Copying an active image to other stores: its bytes are read once, from the best location, and written to all of them.

A copy is an attempt of its own: the catalog grants its number and remembers it with its stores, so that it writes under
a key that no other attempt ever uses, and recovery finds what it left if its process died. The image
stays active and readable meanwhile. While the bytes pass, size and digest are computed; nothing is committed that does
not have the image's own, and the new locations are added by one compare-and-set: only if the image is still
there. Each copy is held on the quota of the image's owner. Otherwise everything is undone.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgstore import errors
from imgstore.catalog import CopyCatalog, require_countable
from imgstore.driver.translate import host_failures
from imgstore.host_answers import (
    answer_of,
    asked_for,
    nothing,
    require,
    require_granted,
    require_kind,
    require_known,
    require_renewed,
    wrong_answer,
)
from imgstore.model import Attempt, StoredImage, UploadResult
from imgstore.quota import UNLIMITED, Quota
from imgstore.store import Store, StoreSet
from imgstore.transfers.begin import Plan, Reserved, UploadSettings, admit, chosen, open_session, release, reserve
from imgstore.transfers.download import DownloadService
from imgstore.transfers.expected import Expected
from imgstore.transfers.observer import COPY, Observation, Observer, checked_observers, observed
from imgstore.transfers.session import library_errors
from imgstore.transfers.target import Target
from imgstore.undo import Undo


class CopyStopped(errors.ImgstoreError):
    """The copy was stopped from outside, and undone."""

    status = 503
    code = "copy-stopped"
    title = "Service Unavailable"
    retryable = True


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What a host asks for. `stores` are identifiers, at least one; `need_all`: whether one that fails fails the whole
    copy. `context` is the host's own: the catalog gets it untouched."""

    image_id: str
    stores: Sequence[str]
    need_all: bool = True
    context: object = None


class CopyService:
    """Begins copies. One for the whole host, used by all its threads. Of `settings` the windows hold for copies."""

    def __init__(
        self,
        stores: StoreSet,
        *,
        catalog: CopyCatalog,
        downloads: DownloadService,
        quota: Quota = UNLIMITED,
        settings: UploadSettings | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        require_kind(stores, StoreSet, name="stores")
        require_kind(downloads, DownloadService, name="downloads")
        require(catalog, CopyCatalog)
        require_renewed(catalog, by="LeasedCopyCatalog")
        require(quota, Quota)
        self._stores = stores
        self._catalog = catalog
        self._downloads = downloads
        self._quota = quota
        self._observers = checked_observers(observers)
        self._settings = UploadSettings() if settings is None else settings
        require_kind(self._settings, UploadSettings, name="settings")

    def begin(self, request: CopyRequest) -> ImageCopy:
        """Everything that can be refused before a byte is read is refused here, and the quota is held.

        Raises UnknownStore; InvalidRequest for no store, or one named twice; StoreReadOnly; what the catalog says
        (ImageNotFound, Forbidden, ImageConflict); DataGone; QuotaExceeded, StoreFull. Then nothing has changed, but
        that the last three count as a copy that failed.
        """
        if not request.stores:
            raise errors.InvalidRequest("Name the stores that the image is to be copied to.")
        stores = chosen(self._stores, request.stores)
        for store in stores:
            store.refuse_if_read_only()
        undo = Undo()
        try:
            with library_errors():
                plan, image = self._granted(request, stores, undo)
                reserved = reserve(plan, self._quota)
                return ImageCopy(
                    plan, reserved, image=image, downloads=self._downloads, observers=self._observers,
                    context=request.context,
                )  # fmt: skip
        except BaseException:
            undo.run()
            raise

    def _granted(self, request: CopyRequest, stores: Sequence[Store], undo: Undo) -> tuple[Plan, StoredImage]:
        identifiers = [store.identifier for store in stores]
        with host_failures("beginning the copy"):
            attempt, image = self._begun(request, identifiers)
        opened: list[Target] = []
        catalog = _NewLocations(self._catalog)
        mine = asked_for(attempt, request.image_id)
        undo.push(f"the copy of image {mine.image_id}", lambda: release(catalog, mine, opened))
        require_granted(attempt, request.image_id, identifiers, self._catalog.begin_copy)
        require_countable(attempt.image_id, attempt.owner)
        require_known(image, self._catalog.begin_copy)
        if image.size is None or not image.locations:
            raise errors.DataGone("The image is active but the catalog knows no data of it.")
        settings, expected = _verifying(self._settings, image)
        plan = Plan(
            attempt, stores, catalog, settings, undo,
            size=image.size, need_all=request.need_all, expected=expected, opened=opened,
        )  # fmt: skip
        return plan, image

    def _begun(self, request: CopyRequest, stores: Sequence[str]) -> tuple[Attempt, StoredImage]:
        begin = self._catalog.begin_copy
        answer: object = answer_of(begin, request.image_id, stores, request.context)
        match answer:
            case (Attempt() as attempt, StoredImage() as image):
                return attempt, image
        raise wrong_answer(begin, answer, "must return an Attempt and its StoredImage")


class ImageCopy:
    """One copy that may begin: `run` it once, on whichever thread, or `abort` it. `stop` is for other threads."""

    def __init__(
        self,
        plan: Plan,
        reserved: Sequence[Reserved],
        *,
        image: StoredImage,
        downloads: DownloadService,
        observers: Sequence[Observer] = (),
        context: object = None,
    ) -> None:
        self.image = image
        self._context = context
        self._plan = plan
        self._reserved = reserved
        self._downloads = downloads
        self._observers = observers
        self._stopped = threading.Event()

    @property
    def attempt(self) -> Attempt:
        """As the catalog granted it, with its stores."""
        return self._plan.attempt

    def run(self, advance: Callable[[int], object] | None = None) -> UploadResult:
        """Copies. A store of the attempt that is not among the result's locations was left out. `advance` is told the
        bytes so far after each chunk; what it raises ends the copy, which is undone.

        Raises StoreError (of the source or of a target; StoreBusy where one of them has no slot for it), IntegrityError
        where the bytes are not the image's, ImageGone, CatalogUnavailable, CopyStopped. Then everything was undone.
        """
        attempt, size = self.attempt, self.image.size
        observation = observed(self._observers, COPY, attempt.image_id, attempt.stores, size, self._context)
        try:
            with library_errors():
                return self._copied(observation, advance)
        except BaseException as error:
            self.abort()
            if observation is not None:
                observation.failed(error)
            raise

    def stop(self) -> None:
        """Ends the copy at its next chunk."""
        self._stopped.set()

    def abort(self) -> None:
        """Undoes what `begin` did; a no-op after `run`."""
        self._plan.undo.run()

    def _copied(self, observation: Observation | None, advance: Callable[[int], object] | None) -> UploadResult:
        sources = self._downloads.sources(self.image)
        admitted, source = admit(self._plan, self._reserved, sources=sources)
        with (
            self._downloads.open(self.image, taken=source) as download,
            open_session(self._plan, admitted, observation=observation) as session,
        ):
            for chunk in download:
                if self._stopped.is_set():
                    raise CopyStopped("The copy was stopped.")
                session.write(chunk)
                if advance is not None:
                    advance(session.total)
            return session.finish()


class _NewLocations:
    """The end of a copy as a session asks for it: the image, which is active already, gets more locations."""

    def __init__(self, catalog: CopyCatalog) -> None:
        self._catalog = catalog

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        nothing(self._catalog.add_locations, attempt, result.locations)

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        self._catalog.confirm(attempt, certain=certain)

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        return self._catalog.release(attempt, unremoved) if unremoved else self._catalog.release(attempt)


def _verifying(settings: UploadSettings, image: StoredImage) -> tuple[UploadSettings, Expected]:
    """The settings for computing the digest of the image, and the digest to expect."""
    known = [(image.hash_algo, image.hash_value), ("md5", image.checksum)]
    algorithm, value = next(((name, value) for name, value in known if name and value), (settings.hash_algo, None))
    expected = Expected({} if value is None else {algorithm: value})
    return dataclasses.replace(settings, hash_algo=algorithm, checksum=False, max_image_size=None), expected
