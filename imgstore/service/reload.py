"""Reads the configuration again while the service runs (SIGHUP). Nothing that is wrong in it ends the service.

All of it is read, checked and built before anything changes: a mistake leaves the old one in effect as a whole. What is
under way goes on with what it began with. Options that cannot change while the service runs are named in the log, one
line each, at every reading until the next start.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import ssl
from collections.abc import Callable, Iterator, Mapping, Set
from typing import TYPE_CHECKING

from imgstore import config, errors
from imgstore.config.options import OPTIONS as OWN_OPTIONS
from imgstore.config.options import SECTION as OWN
from imgstore.config.stores import store_plans
from imgstore.config.values import values
from imgstore.service.assembly import Service, limits_beside
from imgstore.service.log import LogSettings
from imgstore.service.options import OPTIONS, SECTION, foreign_sections
from imgstore.service.reloaded_stores import ENABLED, Key, StoreChanges, compared
from imgstore.service.settings import log_settings, tls
from imgstore.store import StoreSet
from imgstore.supervised import Supervised
from imgstore.undo import describe

if TYPE_CHECKING:
    from oslo_config import cfg

LOG = logging.getLogger(__name__)

TLS = {(SECTION, f"tls_{name}") for name in ("certificate", "key", "ciphers")}
DEFAULT = ("imgstore", "default_store")
LIVE = {
    *((SECTION, f"log_{name}") for name in ("level", "format", "probes")),
    *(("imgstore", f"project_{name}") for name in ("quota", "images", "uploads")),
    *(("imgstore", f"project_{name}_exceptions") for name in ("quota", "images", "uploads")),
}
"""What takes effect at once, besides TLS and the stores."""


@contextlib.contextmanager
def hangups() -> Iterator[queue.SimpleQueue[bool]]:
    """Inside, SIGHUP ends nothing: it is in the queue, which a signal's handler may fill at any moment. Also under
    nohup, which means that it is not to end the process."""
    asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
    before = signal.signal(signal.SIGHUP, lambda number, frame: asked.put(True))
    try:
        yield asked
    finally:
        signal.signal(signal.SIGHUP, before)


class Reloader:
    """Changes `service`. `conf`: the configuration at the start; `load` reads it anew; `log` takes the log's settings;
    `renew_tls` takes another context, None where the service speaks http. One thread calls it."""

    def __init__(
        self,
        service: Service,
        conf: cfg.ConfigOpts,
        *,
        load: Callable[[], cfg.ConfigOpts],
        log: Callable[[LogSettings], object],
        renew_tls: Callable[[ssl.SSLContext], object] | None,
    ) -> None:
        self._service = service
        self._in_effect = dict(_all_values(conf))
        self._load = load
        self._log = log
        self._renew_tls = renew_tls
        self._supervised = Supervised("reload")

    def run(self, asked: queue.SimpleQueue[bool]) -> None:
        """Reads the configuration whenever somebody asks, for ever."""
        while asked.get():
            self._supervised.round(self.reload)

    def reload(self) -> None:
        """Reads it once. What is wrong with it is told in the log."""
        try:
            self._reload(self._load())
        except errors.ImgstoreError as error:
            LOG.error("The new configuration is not taken, the old one stays in effect: %s", describe(error))

    def _reload(self, conf: cfg.ConfigOpts) -> None:
        """Whatever can fail comes before the first change."""
        found, context = _all_values(conf), tls(conf)
        changed = {key for key in {*found, *self._in_effect} if found.get(key) != self._in_effect.get(key)}
        with contextlib.ExitStack() as unless_taken:
            built = config.build_stores(conf)
            unless_taken.callback(built.close)
            stores = compared(list(self._service.stores), list(built), changed=changed)
            enabled = StoreSet(stores.stores, default=self._service.stores.default)
            for each in (built, enabled):  # what the next start would have, and what there is until then
                each.refuse_shared_places()
            limits = limits_beside(self._service.quota.limits, config.quota_limits(conf, enabled))
            self._service.expect_places(stores.added)
            unless_taken.pop_all()
        self._service.take(stores)
        self._service.quota.limits = limits
        if self._renew_tls is not None and context is not None:
            self._renew_tls(context)
        self._log(log_settings(conf))
        waiting = {key for key in changed if self._waits(key, stores, has_tls=context is not None)}
        if built.default != enabled.default:
            waiting.add(DEFAULT)
        self._in_effect.update({key: found.get(key) for key in changed - waiting})
        _tell(stores, changed=changed - waiting, waiting=waiting)

    def _waits(self, key: Key, stores: StoreChanges, *, has_tls: bool) -> bool:
        """Whether a changed option takes effect at the next start only."""
        if key in TLS:
            return has_tls != (self._renew_tls is not None)
        if key[0] in {store.identifier for store in stores.stores} or key == ENABLED:
            return key in stores.waiting
        return key not in LIVE and key != DEFAULT


def _tell(stores: StoreChanges, *, changed: Set[Key], waiting: Set[Key]) -> None:
    names = ", ".join(f"[{section}] {option}" for section, option in sorted(changed))
    LOG.info("The configuration was read again. Changed: %s", names or "nothing")
    for store in stores.added:
        LOG.info("Store %s is enabled; it is used when its first check has found it up", store.identifier)
    for section, option in sorted(waiting):
        LOG.warning("[%s] %s was changed, which takes effect at the next start only", section, option)


def _all_values(conf: cfg.ConfigOpts) -> Mapping[Key, object]:
    """The value of every option of a configuration that `load` returned. They may be secrets."""
    plans = {plan.identifier: plan.options for plan in store_plans(conf)}
    known = {**foreign_sections(conf), **plans, SECTION: OPTIONS, OWN: OWN_OPTIONS}
    return {
        (section, name): value
        for section, options in known.items()
        for name, value in values(conf, section, options).items()
    }
