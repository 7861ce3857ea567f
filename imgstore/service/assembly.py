"""Puts the service together: stores, catalog, quota, uploads and downloads behind one WSGI application."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgstore import config, errors
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.driver.capabilities import FindsLeftovers
from imgstore.http import ImageData
from imgstore.limits import Allowance, FixedLimits, Limits
from imgstore.service.api.app import json_api
from imgstore.service.api.copies import Copies
from imgstore.service.api.images import Images
from imgstore.service.api.paths import image_id_of
from imgstore.service.auth.noauth import caller_of, claimed
from imgstore.service.cleanup.leftovers import leftovers
from imgstore.service.cleanup.orphaned_holds import OrphanedHolds
from imgstore.service.cleanup.recovery import INTERVAL, RecoveryLoop
from imgstore.service.cleanup.removal_queue import RemovalQueue
from imgstore.service.cleanup.restored import look, removes_nothing
from imgstore.service.health import HealthSettings, StoreHealth
from imgstore.service.metrics import Metrics
from imgstore.service.middleware import Middleware
from imgstore.service.options import COPY_THREADS, INI_FILE, NOAUTH, SECTION
from imgstore.service.probes import Probes
from imgstore.sql import LEASE, Database, LedgerHooks, SqlCatalog, SqlLedger
from imgstore.store import Store, StoreSet
from imgstore.transfers.copy import CopyService
from imgstore.transfers.download import DownloadService
from imgstore.transfers.observer import LogObserver, Observer
from imgstore.transfers.places import settle
from imgstore.transfers.taps import TapFactory, verify_signatures
from imgstore.transfers.upload import UploadService, UploadSettings
from imgstore.undo import describe

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from oslo_config import cfg

    from imgstore.service.auth.noauth import Authenticate

LOG = logging.getLogger(__name__)


class Service:
    """The service without a server. It owns `stores` and `database` and closes them. `limits`: what projects and stores
    may take, by default `project_quota` bytes for every project (None: no limit) and the capacities of the stores;
    `authenticate` finds a request's caller; `observers` are told of transfers and stores, besides the log and the
    metrics; `endpoint`: the URL at which clients find it, if not the server's own; `copy_threads`: copies between
    stores at a time; `lease`: seconds after which an upload counts as dead whose process gives no sign of life;
    `recovery_interval`: seconds between two searches for such uploads, on average."""

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
    ) -> None:
        self.stores = stores
        limits = limits or FixedLimits(Allowance(size=project_quota), stores=config.capacities(stores))
        self.quota = SqlLedger(database, limits)
        hooks, verifies = LedgerHooks(self.quota), verify_signatures(taps)
        self.catalog = SqlCatalog(database, quota_hooks=hooks, lease=lease, verifies_signatures=verifies)
        removals = RemovalQueue(stores, self.catalog)
        self.images = Images(stores, self.catalog, self.quota, removals)
        self.holds = OrphanedHolds(stores, self.catalog, self.quota)
        self.recovery = RecoveryLoop(self.catalog, removals, self.holds, interval=recovery_interval)
        self.health = StoreHealth(stores, health, observers=(removals, *observers), settle=self._settle)
        loops = (self.recovery.supervised, self.catalog.supervised, self.quota.supervised, *self.health.supervised)
        metrics = Metrics(self.health, loops, scrubbed=lambda: self.recovery.scrubbed)
        observers = (LogObserver(), metrics.observer, *observers)
        uploads = UploadService(
            stores, catalog=self.catalog, quota=self.quota, settings=settings, taps=taps, observers=observers
        )
        copying = CopyService(
            stores,
            catalog=self.catalog,
            downloads=DownloadService(stores, source=self.catalog),
            quota=self.quota,
            settings=settings,
            observers=observers,
        )
        self.copies = Copies(copying, threads=copy_threads)
        data = ImageData(uploads, DownloadService(stores, source=self.catalog, observers=observers))
        self.app: WSGIApplication = Middleware(
            data=ImageDataApp(data, context=caller_of, image_id=image_id_of),
            api=json_api(self.images, self.copies),
            probes=Probes(self.health, metrics),
            authenticate=authenticate,
            metrics=metrics,
            endpoint=endpoint,
        )

    def end_dead_uploads(self) -> None:
        """For a host that knows, before the start, that no upload is under way. Raises CatalogUnavailable."""
        if self._looked():
            return
        dead = self.catalog.abandon_uploads()
        if dead:
            LOG.warning("%s uploads ended with their process: their images are queued again", dead)
        self.holds.end_all()

    def start(self) -> None:
        """Checks the stores and removes what dead processes left behind. A store whose place is not there, or is
        another one, is unavailable until it is back. Raises ConfigurationError, CatalogUnavailable."""
        self.stores.refuse_shared_places()
        for store in self.stores:
            self._prove(store)
        self.recovery.recover(at_once=True)
        for store in self.stores:
            if not removes_nothing(self.catalog):
                _purge(store, self.catalog)
        self.health.start()
        self.recovery.start()

    def _settle(self, store: Store, *, create: bool = False) -> None:
        settle(store, self.catalog.places, create=create)
        look(store, self.catalog)

    def _looked(self) -> bool:
        """Whether the database was restored, as far as the stores that answer can tell."""
        for store in self.stores:
            known = self.catalog.places.known_place(store.identifier)
            if known is None or not known.written:
                continue
            try:
                self._settle(store)
            except errors.ImgstoreError as error:
                LOG.info("%s", describe(error))
        return removes_nothing(self.catalog)

    def _prove(self, store: Store) -> None:
        try:
            self._settle(store, create=True)
            store.check()
        except errors.WrongPlace as error:
            LOG.error("%s", describe(error))
            self.health.check(store.identifier)  # down from the first request on
        except errors.StoreError as error:
            raise errors.ConfigurationError(
                f"the store does not work: {describe(error)}.",
                section=store.identifier,
                cure="Correct its options or its storage, or take it out of enabled_stores.",
            ) from error

    def close(self) -> None:
        """Ends the copies under way and closes catalog and stores; waits for both."""
        self.health.stop()
        self.copies.stop()
        self.recovery.stop()
        self.quota.close()
        self.catalog.close()
        self.stores.close()


def _purge(store: Store, catalog: SqlCatalog) -> None:
    """Removes leftovers: of uploads that could not undo them, or that wrote on after they counted as dead."""
    if store.read_only or not isinstance(store.driver, FindsLeftovers):
        return
    try:
        for leftover in leftovers(catalog, store):
            if not leftover.certain:
                LOG.warning("Store %s: left alone: %s", store.identifier, leftover.reason)
                continue
            LOG.warning("Store %s: removing %s", store.identifier, leftover.reason)
            with store.blamed():
                store.driver.remove_leftover(leftover)
    except errors.StoreError as error:
        LOG.warning("Leftovers stay until the next start: %s", describe(error))


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
    )


def limits_of(conf: cfg.ConfigOpts, stores: StoreSet) -> Limits:
    """What projects and stores may take, from where the configuration says. Raises ConfigurationError."""
    given = config.quota_limits(conf, stores)
    if conf[SECTION].limits == INI_FILE:
        return given
    from imgstore.service.auth.unified_limits import UnifiedLimits  # as below

    return UnifiedLimits(conf, others=given, age=conf[SECTION].limits_age)


def _authenticate(conf: cfg.ConfigOpts) -> Authenticate:
    if conf[SECTION].auth == NOAUTH:
        return claimed
    from imgstore.service.auth.keystone import Keystone  # needs the extra, which `options.load` has asked for

    return Keystone(conf)
