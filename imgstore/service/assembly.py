"""Puts the service together: stores, catalog, quota, uploads and downloads behind one WSGI application."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from imgstore import config, errors
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.driver.base import StoreDriver
from imgstore.driver.deadline import Deadline
from imgstore.hosting import Keeper, LeasedCopyCatalog
from imgstore.hosting.places import StorePlaces
from imgstore.hosting.recovery import INTERVAL
from imgstore.http import ImageData
from imgstore.limits import Allowance, FixedLimits, Limits
from imgstore.service import collectors
from imgstore.service.api.app import json_api
from imgstore.service.api.copies import Copies
from imgstore.service.api.images import Images
from imgstore.service.api.paths import image_id_of
from imgstore.service.auth.noauth import caller_of, claimed
from imgstore.service.counting import Counting
from imgstore.service.health import StoreHealth, StoreWatch, refuse_down
from imgstore.service.metrics import Metrics
from imgstore.service.middleware import Middleware
from imgstore.service.options import ALL, COPY_THREADS, INI_FILE, NOAUTH, SECTION
from imgstore.service.probes import Probes
from imgstore.service.reloaded_stores import StoreChanges
from imgstore.service.status import Progress, StatusPage
from imgstore.service.watch import HealthSettings
from imgstore.side_by_side import Begun
from imgstore.sql import LEASE, Database, LedgerHooks, SqlCatalog, SqlLedger, take_census
from imgstore.store import Store, StoreSet
from imgstore.transfers.copy import CopyService
from imgstore.transfers.download import DownloadService
from imgstore.transfers.observer import LogObserver, Observer
from imgstore.transfers.taps import TapFactory, verify_signatures
from imgstore.transfers.upload import UploadService, UploadSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from oslo_config import cfg

    from imgstore.service.auth.noauth import Authenticate

LOG = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0
"""For the drivers to close what is idle."""
PATIENCE = 30.0
"""For the end of a service that no server runs."""


class Service:
    """The service without a server. It owns `stores` and `database` and closes them. `limits`: what projects and stores
    may take, by default `project_quota` bytes for every project (None: no limit) and the capacities of the stores;
    `authenticate` finds a request's caller; `observers` are told of transfers and stores, besides the log and the
    metrics; `endpoint`: the URL at which clients find it, if not the server's own; `copy_threads`: copies between
    stores at a time; `lease`: seconds after which an upload counts as dead whose process gives no sign of life;
    `recovery_interval`: seconds between two searches for such uploads, on average; `requires_stores`: one that is down
    stops the start."""

    def __init__(
        self,
        stores: StoreSet,
        database: Database,
        *,
        settings: UploadSettings | None = None,
        taps: Sequence[TapFactory] = (),
        observers: Sequence[Observer] = (),
        project_quota: int | None = None,
        limits: Limits | None = None,
        authenticate: Authenticate = claimed,
        health: HealthSettings | None = None,
        endpoint: str | None = None,
        copy_threads: int = COPY_THREADS,
        lease: float = LEASE,
        recovery_interval: float = INTERVAL,
        requires_stores: bool = False,
    ) -> None:
        self.stores = stores
        limits = limits or FixedLimits(Allowance(size=project_quota), stores=config.capacities(stores))
        self.quota = SqlLedger(database, limits)
        hooks, verifies = LedgerHooks(self.quota), verify_signatures(taps)
        self.catalog = SqlCatalog(database, quota_hooks=hooks, lease=lease, verifies_signatures=verifies)
        leased, restored = LeasedCopyCatalog(self.catalog), self.catalog.restored
        self.keeper = Keeper(leased, stores, self.quota, restored=restored, interval=recovery_interval)
        self.images = Images(stores, self.catalog, self.quota, self.keeper.removals)
        self._places = StorePlaces(self.catalog.places, restored=restored)
        # Drivers of stores that got others. What began with them may go on, and they are freed with the last of it.
        self._replaced: weakref.WeakSet[StoreDriver] = weakref.WeakSet()
        self._watches: Sequence[StoreWatch] = ()
        self._requires_stores = requires_stores
        self.health = StoreHealth(
            stores, health, observers=(self.keeper.removals, *observers), settle=self._settle, up=self.keeper.found_up,
            parts={"catalog": self.catalog.probe, "ledger": self.quota.probe},
        )  # fmt: skip
        self.counting = Counting(
            lambda: take_census(database), scrubbed=self.catalog.scrubs.complete, stores=stores
        )  # fmt: skip
        loops = (*self.keeper.supervised, self.quota.supervised)
        self.process = collectors.Process(
            lease_failures=lambda: self.keeper.leases.failures, recoveries=lambda: self.keeper.recovery.ended
        )
        self.metrics = metrics = Metrics(
            (
                collectors.Health(self.health), self.process, collectors.Slots(stores),
                collectors.Loops(self.health, (*loops, self.counting.supervised)),
                collectors.Database(self.counting), collectors.Scrubs(lambda: self.counting.scrubbed),
            )
        )  # fmt: skip
        progress = Progress()
        observers = (LogObserver(), metrics.observer, progress, *observers)
        uploads = UploadService(
            stores, catalog=leased, quota=self.quota, settings=settings, taps=taps, observers=observers
        )
        copying = CopyService(
            stores,
            catalog=leased,
            downloads=DownloadService(stores, source=self.catalog),
            quota=self.quota,
            settings=settings,
            observers=observers,
        )
        self.copies = Copies(copying, threads=copy_threads, stores=len(stores))
        data = ImageData(uploads, DownloadService(stores, source=self.catalog, observers=observers))
        self.probes = Probes(self.health, metrics)
        page = StatusPage(
            stores, self.health, self.counting, progress, lanes=lambda: self.process.lanes(),
            looks=self.keeper.cleaning.looks, waiting=self.copies.waiting,
        )  # fmt: skip
        self.app: WSGIApplication = Middleware(
            data=ImageDataApp(data, context=caller_of, image_id=image_id_of),
            api=json_api(self.images, self.copies),
            probes=self.probes,
            status=page,
            authenticate=authenticate,
            metrics=metrics,
            endpoint=endpoint,
        )

    def end_dead_uploads(self) -> None:
        """For a host that knows, before the start, that no upload is under way. Raises ConfigurationError,
        CatalogUnavailable."""
        self.check_stores()
        self.keeper.end_uploads()

    def check_stores(self) -> None:
        """Checks the stores side by side, each for as long as a check may take. One that is down is told in log and
        health, and is checked again and again: the configuration is strict, availability is not. Raises
        ConfigurationError, CatalogUnavailable; StoreUnavailable if every store is required."""
        if self._watches:
            return
        self.stores.refuse_shared_places()
        self._places.expect(self.stores)
        self.health.start(refuses=errors.ImgstoreError if self._requires_stores else errors.ConfigurationError)
        self._watches = self.health.first_answers()
        for watch in self._watches:
            if isinstance(watch.error, errors.ConfigurationError):
                raise watch.error
        if self._requires_stores:
            refuse_down(self._watches)

    def start(self) -> None:
        """Checks the stores, and removes what dead processes left behind in those that are up. The others are cleaned
        when they come up. Waits for no store longer than two checks may take. Raises as `check_stores`, and
        CatalogUnavailable."""
        self.check_stores()
        if not self.keeper.records.removes_nothing():
            self.keeper.recovery.end_dead()
        up = [watch.store for watch in self._watches if watch.answered.is_set() and watch.status().up]
        self.keeper.start(up, seconds=self.health.timeout)
        self.counting.start()

    def expect_places(self, stores: Iterable[Store]) -> None:
        """Before stores are enabled: each works only at its place, which is settled by its first check. Raises
        CatalogUnavailable."""
        self._places.expect(stores)

    def take(self, changes: StoreChanges) -> None:
        """Other stores, while transfers are under way. Each that was added is checked at once, on its own thread."""
        for driver in changes.unused:
            driver.close()
        self._replaced.update(changes.replaced)
        self.stores.take(changes.stores)
        for store in changes.added:
            self.keeper.add(store)
        self.health.take(changes.stores)

    def _settle(self, store: Store) -> None:
        """Looks for the place of a store, before each check; after the first not where the catalog is away."""
        if not self._places.is_settled(store) or all(part.up for part in self.health.parts()):
            self._places.settle(store)

    def close(self, *, within: float = PATIENCE) -> None:
        """Ends the copies under way and closes catalog and stores, in so many seconds. Each step may wait for half of
        those that are left: what hangs is left to the end of the process."""
        end = Deadline(within)
        self.health.stop(end.left() / 2)
        self.counting.stop()
        self.copies.stop(end.left() / 2)
        self.keeper.stop(end.left() / 2)
        self.quota.close(end.left() / 2)
        self.catalog.close()
        self.stores.close_within(min(CLOSE_SECONDS, max(0.0, end.left())))
        Begun({str(number): driver.close for number, driver in enumerate(self._replaced)}, seconds=CLOSE_SECONDS)


def service_of(conf: cfg.ConfigOpts, database: Database) -> Service:
    """The service that a configuration describes. Raises ConfigurationError."""
    section = conf[SECTION]
    stores = config.build_stores(conf, threads=section.threads)
    return Service(
        stores,
        database,
        settings=config.upload_settings(conf),
        taps=config.build_taps(conf),
        limits=limits_of(conf, stores),
        authenticate=_authenticate(conf),
        health=HealthSettings(section.health_interval, section.health_timeout),
        endpoint=section.public_endpoint,
        copy_threads=section.copy_threads,
        lease=section.upload_lease,
        recovery_interval=section.recovery_interval,
        requires_stores=section.require_stores == ALL,
    )


def limits_of(conf: cfg.ConfigOpts, stores: StoreSet) -> Limits:
    """What projects and stores may take, from where the configuration says. Raises ConfigurationError."""
    given = config.quota_limits(conf, stores)
    if conf[SECTION].limits == INI_FILE:
        return given
    from imgstore.service.auth.unified_limits import UnifiedLimits  # as below

    return UnifiedLimits(conf, others=given, age=conf[SECTION].limits_age)


def limits_beside(limits: Limits, given: FixedLimits) -> Limits:
    """The same source of limits, with those that the configuration gives now."""
    if isinstance(limits, FixedLimits):
        return given
    from imgstore.service.auth.unified_limits import UnifiedLimits  # as below

    if isinstance(limits, UnifiedLimits):
        limits.others = given
    return limits


def _authenticate(conf: cfg.ConfigOpts) -> Authenticate:
    if conf[SECTION].auth == NOAUTH:
        return claimed
    from imgstore.service.auth.keystone import Keystone  # needs the extra, which `options.load` has asked for

    return Keystone(conf)
