"""A download: exactly the bytes promised, from the first store that has them, or an error; it never ends short.

A read that breaks is resumed where it broke: at the same object, pinned by its ETag, then from the next location. One
floor tries again: the driver's reader if it can (`ObjectReader.RESUMES`), else this one. What cannot be resumed raises.
Memory: one chunk of READ_SIZE bytes and what the driver's reader says of itself.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence, Sized
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from imgstore import errors
from imgstore.bulkhead import Slot
from imgstore.catalog import ImageSource
from imgstore.driver.base import ObjectReader
from imgstore.driver.deadline import HASTY_TRIES, in_haste
from imgstore.driver.translate import OnFailure, host_failures
from imgstore.file_spans import FileSpan
from imgstore.first_failure import untraced
from imgstore.host_answers import instance, require, require_kind, require_known
from imgstore.model import Location, StoredImage
from imgstore.store import Store, StoreSet, named
from imgstore.transfers.observer import DOWNLOAD, Observation, Observer, Outcome, checked_observers, observed
from imgstore.transfers.slots import Taken, patience, take_all
from imgstore.transfers.temporary_urls import TemporaryUrl, temporary_url
from imgstore.undo import describe

if TYPE_CHECKING:
    from typing_extensions import Self

LOG = logging.getLogger(__name__)

RESUMES = 3
FIRST_PAUSE = 0.1
C = TypeVar("C", bound=Sized)


class DownloadService:
    """Opens downloads. One for the whole host, used by all its threads. `resumes`: tries at an object after a break, at
    the last location of an image and for readers that do not try by themselves."""

    def __init__(
        self, stores: StoreSet, *, source: ImageSource, resumes: int = RESUMES,
        sleep: Callable[[float], None] = time.sleep, observers: Sequence[Observer] = (),
    ) -> None:  # fmt: skip
        require_kind(stores, StoreSet, name="stores")
        require(source, ImageSource)
        self.stores = stores
        self._source = source
        self._observers = checked_observers(observers)
        self.resumes = resumes
        self.sleep = sleep

    def find(self, image_id: str, *, context: object = None) -> StoredImage:
        """The image as `context` may see it. Raises ImageNotFound, Forbidden, CatalogUnavailable."""
        with host_failures("looking the image up"):
            return require_known(instance(StoredImage, self._source.find, image_id, context), self._source.find)

    def open(
        self, image: StoredImage, *, start: int = 0, stop: int | None = None, prefer: Sequence[str] = (),
        context: object = None, taken: Taken | None = None,
    ) -> Download:  # fmt: skip
        """Bytes `start` to `stop` (exclusive; None: the end) of an image with data, as `context` reaches the stores.

        Tries the stores named in `prefer` first, then the others by weight. `taken`: a slot in one of them, which the
        caller took together with others; that store is read first, and no other slot is waited for. Raises UnknownStore
        for a name in `prefer`, RangeNotSatisfiable, DataGone if no location has the object, StoreUnavailable if one may
        have it later (StoreBusy where all that may have it are busy).
        """
        if image.size is None or not image.locations:
            raise errors.UsageError(f"Image {image.image_id} has no data.")
        end = image.size if stop is None else stop
        if not 0 <= start <= end <= image.size:
            raise errors.RangeNotSatisfiable(f"The image has {image.size} bytes.", size=image.size)
        locations = self._ordered(image.locations, prefer)
        download = Download(self, image, locations, start=start, stop=end, context=context, taken=taken)
        download.begin(self._observers if start < end else ())
        return download

    def temporary_url(
        self, image_id: str, *, seconds: int, prefer: Sequence[str] = (), context: object = None
    ) -> TemporaryUrl:
        """A URL with which anybody may read the image for so many seconds, where `context` may see it: a credential.
        Raises as `find`; UnknownStore for a name in `prefer`; UsageError for a time that no URL has; ImageConflict if
        the image is not active; NoTemporaryUrl; DataGone, StoreUnavailable, ConfigurationError."""
        image = self.find(image_id, context=context)
        stores = self.enabled(self._ordered(image.locations, prefer))
        return temporary_url(image, stores, seconds=seconds, context=context)

    def sources(self, image: StoredImage) -> list[Store]:
        """The enabled stores that have the image, in the order in which they are tried."""
        return self.enabled(self._ordered(image.locations, ()))

    def enabled(self, locations: Sequence[Location]) -> list[Store]:
        """The stores of these locations; those that are not enabled are left out."""
        known = {store.identifier: store for store in self.stores}
        return [known[location.store] for location in locations if location.store in known]

    def check_prefer(self, prefer: Sequence[str]) -> None:
        """Raises UnknownStore for a store that is not enabled."""
        for name in prefer:
            self.stores.resolve(name)

    def _ordered(self, locations: Sequence[Location], prefer: Sequence[str]) -> list[Location]:
        self.check_prefer(prefer)
        weights = {store.identifier: store.weight for store in self.stores}
        places = {name: place for place, name in enumerate(prefer)}
        return sorted(locations, key=lambda at: (places.get(at.store, len(prefer)), -weights.get(at.store, 0)))


class Download:
    """One download under way: iterate over it once. Leaving it closes what it holds."""

    def __init__(
        self, service: DownloadService, image: StoredImage, locations: list[Location], *, start: int, stop: int,
        context: object, taken: Taken | None = None,
    ) -> None:  # fmt: skip
        self.image = image
        self.start, self.stop = start, stop
        self._service = service
        self._context = context
        self._locations = locations
        self._given = taken
        self._waits = taken is None
        self._slot: Slot | None = None if taken is None else taken.slot
        self._position = start
        self._reader: ObjectReader | None = None
        self._location = locations[0]
        self._tries = 0
        self._last_failure: errors.StoreError | None = None
        self._observation: Observation | None = None

    @property
    def length(self) -> int:
        """Bytes this download delivers."""
        return self.stop - self.start

    @property
    def location(self) -> Location:
        """Where it reads now."""
        return self._location

    def begin(self, observers: Sequence[Observer] = ()) -> None:
        """Opens the first location that answers, so that a refusal comes before the first byte."""
        stores = [self._location.store]
        self._observation = observed(observers, DOWNLOAD, self.image.image_id, stores, self.length, self._context)
        with OnFailure(self._failed):
            self._reader = self._open_next()

    def __iter__(self) -> Iterator[bytes]:
        return self._moved(self._next_chunk)

    def spans(self) -> Iterator[bytes | FileSpan]:
        """The same for whoever can send spans of files."""
        return self._moved(self._next_span)

    def _moved(self, next_: Callable[[], C]) -> Iterator[C]:
        with OnFailure(self._failed):
            while self._position < self.stop:
                chunk = next_()
                yield chunk
                self._position += len(chunk)
                self._tries = 0
                if self._observation is not None:
                    self._observation.moved(len(chunk))
        if self._observation is not None:
            self._observation.ended(Outcome([self._location.store], self.length))

    def close(self) -> None:
        """Returns connections and descriptors; a no-op the second time."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            self._close_quietly(reader)
        if self._slot is not None:
            self._slot.free()
        self._failed(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _failed(self, error: BaseException | None) -> None:
        """Tells the observers, unless the download has ended: whoever closes it before has given it up."""
        if self._observation is not None:
            self._observation.failed(error)

    def _next_span(self) -> bytes | FileSpan:
        span = None if self._reader is None else self._reader.span()
        return self._next_chunk() if span is None else span

    def _next_chunk(self) -> bytes:
        reader = self._reader
        if reader is None:
            raise errors.UsageError("This download is closed.")
        try:
            return reader.read()
        except errors.StoreError as error:
            self._note(named(error, self._location.store))
            self._reader = self._resume(reader)
        return self._next_chunk()

    def _resume(self, broken: ObjectReader) -> ObjectReader:
        """The same object from where it broke, else the next location."""
        etag = broken.info.etag
        self._close_quietly(broken)
        while etag is not None and self._tries < self._most_tries(broken):
            self._tries += 1
            jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            self._service.sleep(FIRST_PAUSE * 2**self._tries * jitter)
            try:
                return self._open_at(self._location, etag)
            except errors.StoreError as error:
                self._note(error)
        return self._open_next()

    def _most_tries(self, broken: ObjectReader) -> int:
        """How often the location is opened again where it broke."""
        if broken.RESUMES:
            return 0
        return min(self._service.resumes, HASTY_TRIES - 1) if self._locations else self._service.resumes

    def _open_next(self) -> ObjectReader:
        until = patience(self._service.enabled(self._locations)) if self._waits else 0.0
        while self._next_slot(until):
            self._tries = 0
            if self._observation is not None:
                self._observation.reads(self._location.store)
            try:
                with in_haste(bool(self._locations)):
                    return self._open_at(self._location, None)
            except (errors.StoreError, errors.UnknownStore) as error:
                self._note(error)
        raise self._refusal()

    def _next_slot(self, until: float) -> bool:
        """Goes on to the next location, with a slot in its store, once that of the last one is given back. False where
        no location is left, or all that are left are busy."""
        taken, self._given = self._given or self._take(until), None
        if taken is None:
            return False
        self._slot = taken.slot
        self._location = next(each for each in self._locations if each.store == taken.store.identifier)
        self._locations.remove(self._location)
        return True

    def _take(self, until: float) -> Taken | None:
        if self._slot is not None:
            self._slot.free()
        stores = self._service.enabled(self._locations)
        if self._locations and not stores:
            self._note(errors.UnknownStore(f"Store for identifier '{self._locations[0].store[:64]}' not found."))
        try:
            return take_all([stores], until=until)[0] if stores else None
        except errors.StoreBusy as error:
            self._note(error)
            return None

    def _open_at(self, location: Location, etag: str | None) -> ObjectReader:
        store = self._service.stores.resolve(location.store).for_context(self._context, url=location.url)
        with store.blamed():
            reader = self._open_range(store, location.key, etag)
            if reader.info.size != self.image.size:
                self._close_quietly(reader)
                raise errors.IntegrityError(f"The object has {reader.info.size} bytes, the image {self.image.size}.")
        return reader

    def _open_range(self, store: Store, key: str, etag: str | None) -> ObjectReader:
        try:
            return store.driver.open_reader(key, start=self._position, stop=self.stop, etag=etag)
        except errors.RangeNotSatisfiable as error:  # the range was checked against the catalog: the client is right
            raise errors.IntegrityError(f"The object has {error.size} bytes, the image {self.image.size}.") from error

    def _note(self, error: errors.ImgstoreError) -> None:
        LOG.warning("Image %s at byte %s: %s", self.image.image_id, self._position, describe(error))
        if self._observation is not None:
            self._observation.troubled(error)
        if isinstance(error, errors.StoreError) and not isinstance(error, errors.ObjectNotFound):
            self._last_failure = untraced(error)  # without its traceback, which has frames of this download
        if isinstance(error, errors.UnknownStore):
            self._last_failure = errors.StoreUnavailable("A store that has the image's data is not enabled.")

    def _close_quietly(self, reader: ObjectReader) -> None:
        try:
            reader.close()
        except errors.StoreError as error:
            LOG.warning("Could not close a read: %s", describe(error))

    def _refusal(self) -> errors.StoreError:
        if self._last_failure is None:
            return errors.DataGone("The image's data is missing from the store.")
        if isinstance(self._last_failure, errors.StoreUnavailable):
            return untraced(self._last_failure)
        return errors.StoreUnavailable("The image's data cannot be read.", detail=describe(self._last_failure))
