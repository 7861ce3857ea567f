"""A store behind any driver of OpenStack's glance_store, such as RBD, which this library has no driver of its own for.

Laws, as far as theirs let them hold. Exact, undone, no secrets and the right blame hold for all. Atomic holds for RBD,
whose images have their snapshot only when they are whole; a driver that writes under the final name (file) shows what
it has written so far. A place is not known by a mark. What they received is not confirmed by a checksum. A read is not
resumed, and one from the middle of an object reads its beginning too where the driver knows no ranges (RBD).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver, check_key
from imgstore.drivers.glance_store.bridge import Bridge
from imgstore.drivers.glance_store.options import KEY, RBD, SNAPSHOT, GlanceStoreOptions
from imgstore.drivers.glance_store.reader import GlanceStoreReader
from imgstore.drivers.glance_store.writer import GlanceStoreWriter
from imgstore.model import ObjectInfo

if TYPE_CHECKING:
    from oslo_config import cfg

_RBD_URL = re.compile(rf"rbd://(?:[^/]+/[^/]+/([^/]+)/{SNAPSHOT}|([^/]+))")
NOBODY = "imgstore-check"


class GlanceStoreDriver(StoreDriver):
    """Objects in a store of glance_store, RBD for instance. The parameters are those of GlanceStoreOptions."""

    OPTIONS: ClassVar[Sequence[cfg.Opt]] = GlanceStoreOptions.options()

    def __init__(self, **options: Any) -> None:
        self._options = GlanceStoreOptions(**options)
        self._bridge = Bridge(self._options)

    def check(self) -> None:
        """The driver is made, and asked for an object that nobody has."""
        with contextlib.suppress(errors.ObjectNotFound):
            self._bridge.size(NOBODY)

    def url(self, key: str) -> str:
        """The location as glance_store has it; for an RBD that cannot be reached, its short form."""
        check_key(key)
        if self._options.driver == RBD:
            return self._bridge.known_url(key)
        return self._bridge.url(key)

    def key_from_url(self, url: str) -> str:
        """See StoreDriver."""
        if self._options.driver == RBD:
            match = _RBD_URL.fullmatch(url)
            return check_key((match[1] or match[2]) if match is not None else "")
        before, _, behind = (self._options.url_template or "").partition(KEY)
        if not (url.startswith(before) and url.endswith(behind) and len(url) > len(before) + len(behind)):
            raise errors.InvalidKey("Not the URL of an object in this store.")
        return check_key(url[len(before) : len(url) - len(behind)])

    def clear_leftovers(self, key: str) -> None:
        """See ClearsLeftovers. Of RBD an image without its snapshot; the others have no state between."""
        check_key(key)
        if self._options.driver == RBD and not self._is_there(key):
            with contextlib.suppress(errors.ObjectNotFound):
                self._bridge.delete_unfinished(key)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        if self._is_there(key):
            raise errors.ObjectExists("An object is already there under that key.")
        return GlanceStoreWriter(self._bridge, key, size, patience=self._options.patience)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return GlanceStoreReader(self._bridge, self._stat(key), start)

    def _stat(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, self._bridge.size(key))

    def _delete(self, key: str) -> None:
        self._bridge.size(key)
        self._bridge.delete(key)

    def _is_there(self, key: str) -> bool:
        with contextlib.suppress(errors.ObjectNotFound):
            self._bridge.size(key)
            return True
        return False
