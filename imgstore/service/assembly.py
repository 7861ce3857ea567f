"""Puts the service together: stores, catalog, quota, uploads and downloads behind one WSGI application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgstore import config, errors
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.http import ImageData
from imgstore.quota import MemoryQuota
from imgstore.service.api import json_api
from imgstore.service.front import Front
from imgstore.service.health import HealthSettings, StoreHealth
from imgstore.service.images import Images
from imgstore.service.metrics import CountedDownloads, CountedUploads, Metrics
from imgstore.service.operation import Operation
from imgstore.service.options import SECTION
from imgstore.service.projects import caller_of, claimed
from imgstore.sql import SqlCatalog
from imgstore.store import Store, StoreSet
from imgstore.taps import TapFactory
from imgstore.undo import describe
from imgstore.upload import UploadSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from oslo_config import cfg

    from imgstore.service.projects import Authenticate


class Service:
    """The service without a server. It owns `stores` and `catalog` and closes them. `project_quota`: bytes of every
    project, None for no limit; `authenticate` finds a request's caller; `endpoint`: the URL at which clients find it,
    if that is not the server's own."""

    def __init__(
        self,
        stores: StoreSet,
        catalog: SqlCatalog,
        *,
        settings: UploadSettings | None = None,
        taps: Sequence[TapFactory] = (),
        project_quota: int | None = None,
        authenticate: Authenticate = claimed,
        health: HealthSettings | None = None,
        endpoint: str | None = None,
    ) -> None:
        self.stores = stores
        self.catalog = catalog
        self.quota = MemoryQuota(lambda owner: project_quota, used_by=catalog.usage)
        self.images = Images(stores, catalog, self.quota)
        self.health = StoreHealth(stores, health)
        metrics = Metrics(self.health)
        uploads = CountedUploads(
            stores, metrics=metrics, catalog=catalog, quota=self.quota, settings=settings, taps=taps
        )
        data = ImageData(uploads, CountedDownloads(stores, metrics=metrics, source=catalog))
        self.app: WSGIApplication = Front(
            data=ImageDataApp(data, context=caller_of),
            api=json_api(self.images),
            operation=Operation(self.health, metrics),
            authenticate=authenticate,
            metrics=metrics,
            endpoint=endpoint,
        )

    def start(self) -> None:
        """Proves the stores and puts right what a dead process left. Raises ConfigurationError, CatalogUnavailable."""
        for store in self.stores:
            _prove(store)
        self.images.recover()
        self.health.start()

    def close(self) -> None:
        """Returns what catalog and stores hold."""
        self.health.stop()
        self.catalog.close()
        self.stores.close()


def _prove(store: Store) -> None:
    try:
        with store.blamed():
            store.driver.check()
    except errors.StoreError as error:
        raise errors.ConfigurationError(
            f"the store does not work: {describe(error)}.",
            section=store.identifier,
            cure="Correct its options or its storage, or take it out of enabled_stores.",
        ) from error


def service_of(conf: cfg.ConfigOpts, catalog: SqlCatalog) -> Service:
    """The service that a configuration describes. Raises ConfigurationError."""
    section = conf[SECTION]
    return Service(
        config.build_stores(conf),
        catalog,
        settings=config.upload_settings(conf),
        taps=config.build_taps(conf),
        project_quota=config.project_quota(conf),
        authenticate=_authenticate(conf),
        health=HealthSettings(section.health_interval, section.health_timeout),
        endpoint=section.public_endpoint,
    )


def _authenticate(conf: cfg.ConfigOpts) -> Authenticate:
    if conf[SECTION].auth == "noauth":
        return claimed
    from imgstore.service.keystone import Keystone  # needs the extra, which `options.load` has asked for

    return Keystone(conf)
