"""One driver of glance_store, made from the options of a store and called with the names of objects.

Their drivers read a ConfigOpts and are configured by themselves, which may send requests: so one is made at its first
use, by one thread for all (`imgstore.driver.shared`). `BoundedCalls` bounds what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, TypeVar

from glance_store.capabilities import BitMasks
from glance_store.location import Location
from oslo_config import cfg

from imgstore.driver.bounded_calls import BoundedCalls
from imgstore.driver.options import bad
from imgstore.driver.shared import Kept, Shared
from imgstore.drivers.glance_store.errors import ERRORS
from imgstore.drivers.glance_store.options import KEY, RBD, SNAPSHOT, GlanceStoreOptions

GROUP = "glance_store.drivers"
BACKEND = "store"
MD5 = "md5"
"""The digest that is asked for, since there is no way to ask for none; they compute another md5 besides."""

T = TypeVar("T")


class Bridge:
    """Calls the driver, for many threads. Every method raises ConfigurationError for options that it does not take, and
    StoreError."""

    def __init__(self, options: GlanceStoreOptions) -> None:
        self._options = options
        self._shared: Shared[Any] = Shared("driver of glance_store", patience=options.patience)
        self._calls = BoundedCalls(options.patience, thread_name="imgstore-glance-store")
        self._prefix = ""

    def open(self) -> Any:
        """The driver, made and configured."""
        return self._shared.get(self._made)

    def _made(self) -> Kept[Any]:
        store = _configured(self._options)
        self._prefix = str(store.url_prefix)
        return Kept(store)

    def url(self, key: str) -> str:
        """The object's location, as the driver gives it. One of RBD names the snapshot, which a whole image has."""
        if self._options.driver != RBD:
            return (self._options.url_template or "").replace(KEY, key)
        return f"{self.open().url_prefix}{key}/{SNAPSHOT}"

    def known_url(self, key: str) -> str:
        """The same for RBD without asking the storage; the short form where it was not asked yet."""
        return f"{self._prefix}{key}/{SNAPSHOT}" if self._prefix else f"rbd://{key}"

    def size(self, key: str) -> int:
        """Bytes of an object. Raises ObjectNotFound."""
        return int(self.timed("looking up an object", lambda: self.open().get_size(self._at(self.url(key)))))

    def read(self, key: str, start: int) -> Iterator[bytes]:
        """The bytes of an object from `start` on: by a range where the driver knows them, else from its beginning."""
        store = self.open()
        ranged = start and store.is_capable(int(BitMasks.READ_OFFSET))
        body, _ = store.get(self._at(self.url(key)), **({"offset": start} if ranged else {}))
        yield from body if ranged else _behind(body, start)

    def add(self, key: str, file: object, size: int | None) -> tuple[str, int]:
        """Stores what `file.read` gives. Returns URL and size. Runs for as long as that takes."""
        with ERRORS.around("storing an object"):
            url, written, *_ = self._for_an_upload().add(key, file, size or 0, MD5)
        return str(url), int(written)

    def delete(self, key: str) -> None:
        """Removes an object. Raises ObjectNotFound."""
        self.delete_at(self.url(key))

    def delete_unfinished(self, key: str) -> None:
        """The same for one that was not written to its end: one of RBD has no snapshot."""
        self.delete_at(f"rbd://{key}" if self._options.driver == RBD else self.url(key))

    def delete_at(self, url: str) -> None:
        """The same for the object at a location."""
        self.timed("deleting", lambda: self.open().delete(self._at(url)))

    def timed(self, action: str, call: Callable[[], T]) -> T:
        """What `call` returns. Raises StoreUnavailable if it takes longer than `patience`."""
        with ERRORS.around(action):
            return self._calls.run(action, call)

    def _for_an_upload(self) -> Any:
        """Another driver where one keeps the state of an upload in itself; Glance makes one for each, too."""
        shared = self.open()
        return shared if shared.is_capable(int(BitMasks.DRIVER_REUSABLE)) else _configured(self._options)

    def _at(self, url: str) -> Location:
        store = self.open()
        return Location(store.get_schemes()[0], store.get_store_location_class(), store.conf, uri=url, backend=BACKEND)


def _behind(body: Iterator[bytes], start: int) -> Iterator[bytes]:
    for chunk in body:
        if start < len(chunk):
            yield chunk[start:]
        start = max(0, start - len(chunk))


def _configured(options: GlanceStoreOptions) -> Any:
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.DictOpt("enabled_backends", default={BACKEND: options.driver}))
    conf([], default_config_files=[], default_config_dirs=[])
    store = _class(options.driver)(conf, backend=BACKEND)
    for name, value in options.settings.items():
        try:
            conf.set_override(name, value, group=BACKEND)
        except (cfg.Error, ValueError) as error:
            problem = f"glance_store's driver '{options.driver}' does not take '{name}' ({type(error).__name__})."
            raise bad("settings", problem, "Correct its name or its value.") from None
    with ERRORS.around("configuring the driver"):
        store.configure(re_raise_bsc=True)
    return store


def _class(name: str) -> Any:
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group=GROUP) if "." not in point.name))
        raise bad("driver", f"glance_store has no driver '{name}'.", f"Use one of: {known}.")
    try:
        return found[0].load()
    except ImportError as error:
        problem = f"glance_store's driver '{name}' cannot be loaded ({error})."
        raise bad("driver", problem, "Install what it needs.") from error
