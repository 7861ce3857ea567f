"""One driver of glance_store, made from the options of a store and called with the names of objects.

Their drivers read a ConfigOpts and are configured by themselves, which may send requests: so one is made at its first
use. Their calls know no deadline, so each runs on a thread that its caller leaves after `patience` seconds; the thread
ends by itself, if ever, and keeps nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib.metadata import entry_points
from typing import Any, TypeVar

from glance_store.capabilities import BitMasks
from glance_store.location import Location
from oslo_config import cfg

from imgstore import errors
from imgstore.driver.forks import OfOneProcess, ProcessLock
from imgstore.driver.options import bad
from imgstore.driver.translate import storage_failures
from imgstore.drivers.glance_store.errors import translated
from imgstore.drivers.glance_store.options import KEY, RBD, SNAPSHOT, GlanceStoreOptions

GROUP = "glance_store.drivers"
BACKEND = "store"
MD5 = "md5"
"""The digest that is asked for, since there is no way to ask for none; they compute another md5 besides."""

T = TypeVar("T")


class Bridge(OfOneProcess):
    """Calls the driver, for many threads. Every method raises ConfigurationError for options that it does not take, and
    StoreError. A child of a fork has a driver of its own."""

    def __init__(self, options: GlanceStoreOptions) -> None:
        super().__init__()
        self._options = options
        self._store: Any = None
        self._lock = ProcessLock()

    def open(self) -> Any:
        """The driver, made and configured."""
        with self._lock:
            if self._store is None:
                self._store = _configured(self._options)
            return self._store

    def url(self, key: str) -> str:
        """The object's location, as the driver gives it. One of RBD names the snapshot, which a whole image has."""
        if self._options.driver != RBD:
            return (self._options.url_template or "").replace(KEY, key)
        return f"{self.open().url_prefix}{key}/{SNAPSHOT}"

    def known_url(self, key: str) -> str:
        """The same without asking the storage; the short form of RBD's where it was not asked yet."""
        return f"rbd://{key}" if self._store is None else self.url(key)

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
        with storage_failures("storing an object"), translated("storing an object"):
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
        with storage_failures(action), translated(action):
            return timed(action, call, self._options.patience)

    def close(self) -> None:
        """Forgets the driver, which has nothing to be closed."""
        with self._lock:
            self._store = None

    def _forked(self) -> None:
        self._store = None

    def _for_an_upload(self) -> Any:
        """Another driver where one keeps the state of an upload in itself; Glance makes one for each, too."""
        shared = self.open()
        return shared if shared.is_capable(int(BitMasks.DRIVER_REUSABLE)) else _configured(self._options)

    def _at(self, url: str) -> Location:
        store = self.open()
        return Location(store.get_schemes()[0], store.get_store_location_class(), store.conf, uri=url, backend=BACKEND)


def timed(action: str, call: Callable[[], T], seconds: float) -> T:
    """What `call` returns, on a thread that is left after so many seconds with StoreUnavailable."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the caller's thread
            done.set_exception(error)

    thread = threading.Thread(target=run, name="imgstore-glance-store", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise errors.StoreUnavailable(f"Image storage did not answer in {seconds:g} s while {action}.")
    return done.result()


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
    with translated("configuring the driver"):
        timed("configuring the driver", lambda: store.configure(re_raise_bsc=True), options.patience)
    return store


def _class(name: str) -> Any:
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group=GROUP) if "." not in point.name))
        raise bad("driver", f"glance_store has no driver '{name}'.", f"Use one of: {known}.")
    return found[0].load()
