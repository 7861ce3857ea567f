"""A store of imgstore that is a backend of Glance: made from its section of Glance's configuration, and used by URL."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from oslo_config import cfg

from imgstore import errors
from imgstore.bulkhead import Bulkhead, share
from imgstore.config.options import STORE_OPTIONS
from imgstore.config.registry import driver_class
from imgstore.config.stores import StorePlan, build_driver
from imgstore.config.values import register, values
from imgstore.driver.capabilities import SharesObjects
from imgstore.driver.shared import Kept, Shared
from imgstore.glance.places import OPTION, PLACES_DIR, PlaceFiles, settle
from imgstore.glance.transfer import Download, Reads, Uploaded, Verifier, download, upload
from imgstore.side_by_side import Begun
from imgstore.store import Store, StoreSet
from imgstore.undo import describe

if TYPE_CHECKING:
    from imgstore.driver import StoreDriver

LOG = logging.getLogger(__name__)

_SHARED = {"read_only", "max_transfers", "max_wait"}

PLACE_SECONDS = 10.0
"""For which a request waits for a store's place: a store that hangs holds up no other (contained)."""
START_SECONDS = 30.0
"""For which the start of Glance waits for one store."""

OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        OPTION,
        default=PLACES_DIR,
        help="Directory on this machine in which is noted which place is the store's: a disk that is not mounted, or "
        "another bucket of the same name, is then unavailable. Glance must be able to write it, and it must outlive a "
        "restart.",
    ),
    *(option for option in STORE_OPTIONS if option.dest in _SHARED),
)
"""What every store has; weight and store_description are Glance's own."""

DRIVER: tuple[cfg.Opt, ...] = (
    cfg.StrOpt("driver", required=True, help="The driver of a store of the type `imgstore`, as imgstore knows it."),
)


class Backend:
    """One store. Raises the library's errors only, and what Glance's own files and verifiers raise."""

    def __init__(self, store: Store, memory: PlaceFiles) -> None:
        self.store = store
        self._memory = memory
        self._settling: Shared[None] = Shared("place", patience=PLACE_SECONDS)
        self._settled = False

    def begin(self, others: Iterable[Backend]) -> None:
        """At the start of Glance: proves that the store can work beside the others. Raises ConfigurationError. A store
        that is down is logged, and tried again when it is used."""
        stores = [*(other.store for other in others), self.store]
        StoreSet(stores, default=self.store.identifier).refuse_shared_places()
        name = self.store.identifier
        try:
            Begun({name: self._prove}, seconds=START_SECONDS).result(name)
        except errors.StoreError as error:
            LOG.warning("Store %s is not available yet: %s", name, describe(error))
        except TimeoutError:
            LOG.warning("Store %s has not answered for %s s: Glance starts without it", name, START_SECONDS)

    @property
    def url_prefix(self) -> str:
        """How the URLs of all its objects begin."""
        return self.store.driver.url("x")[:-1]

    def add(
        self, image_id: str, source: Reads | Iterable[bytes], *, size: int | None, algorithm: str,
        verifier: Verifier | None, context: object,
    ) -> Uploaded:  # fmt: skip
        """Stores an image (`imgstore.glance.transfer.upload`)."""
        store = self._for(context)
        return upload(store, image_id, source, size=size, algorithm=algorithm, verifier=verifier)

    def open(self, url: str, *, start: int, length: int | None, context: object) -> Download:
        """Bytes of an object (`imgstore.glance.transfer.download`)."""
        store = self._for(context, url)
        return download(store, self._key(store, url), start=start, length=length)

    def size(self, url: str, *, context: object) -> int:
        """Bytes of an object. Raises ObjectNotFound, InvalidKey."""
        store = self._for(context, url)
        with store.slot(), store.blamed():
            return store.driver.stat(self._key(store, url)).size

    def delete(self, url: str, *, context: object) -> None:
        """Removes an object. Raises ObjectNotFound."""
        store = self._for(context, url)
        with store.slot(), store.blamed():
            store.driver.delete(self._key(store, url))

    def share(self, url: str, *, public: bool, readers: Sequence[str], context: object) -> bool:
        """Lets others read an object, and returns True; False where storage knows of no readers."""
        store = self._for(context, url)
        driver: StoreDriver = store.driver
        if not isinstance(driver, SharesObjects):
            return False
        with store.slot(), store.blamed():
            driver.share(self._key(store, url), public=public, readers=readers)
        return True

    def _for(self, context: object, url: str | None = None) -> Store:
        if not self._settled:
            with self.store.slot():  # who waits for the place waits for the store
                self._settle()
        return self.store.for_context(context, url=url)

    def _prove(self) -> None:
        self._settle()
        self.store.check()

    def _settle(self) -> None:
        with self.store.blamed():
            self._settling.get(self._settle_once)
        self._settled = True

    def _settle_once(self) -> Kept[None]:
        settle(self.store, self._memory)
        return Kept(None)

    def _key(self, store: Store, url: str) -> str:
        with store.blamed():
            return store.driver.key_from_url(url)


def backend(conf: cfg.ConfigOpts, identifier: str, *, driver: str, stores: int) -> Backend:
    """The store that the section `identifier` describes, one of so many. Sends no request. Raises
    ConfigurationError."""
    plan = StorePlan(identifier, driver, driver_class(driver))
    register(conf, {identifier: (*OPTIONS, *plan.driver.OPTIONS)})
    own = values(conf, identifier, OPTIONS)
    bulkhead = Bulkhead(max_transfers=own["max_transfers"] or share(None, stores=stores), max_wait=own["max_wait"])
    made = build_driver(plan, values(conf, identifier, plan.driver.OPTIONS))
    return Backend(Store(identifier, made, read_only=own["read_only"], bulkhead=bulkhead), PlaceFiles(own[OPTION]))


def driver_name(conf: cfg.ConfigOpts, identifier: str) -> str:
    """What the section of a store of the type `imgstore` says. Raises ConfigurationError."""
    register(conf, {identifier: DRIVER})
    return str(values(conf, identifier, DRIVER)["driver"])
