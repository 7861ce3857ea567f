"""The enabled stores: from `enabled_stores` and a section each to drivers that are built."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from oslo_config import cfg

from imgstore.bulkhead import Bulkhead, share
from imgstore.config import registry
from imgstore.config.options import SECTION, STORE_OPTIONS
from imgstore.config.values import own_values, register, values
from imgstore.driver.base import StoreDriver
from imgstore.errors import ConfigurationError
from imgstore.store import Store, StoreSet

RESERVED = frozenset({SECTION, "service", "default"})
RESERVED_PREFIX = "os_glance_"

_IDENTIFIER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class StorePlan:
    """A store that is to be built."""

    identifier: str
    driver_name: str
    driver: type[StoreDriver]

    @property
    def options(self) -> tuple[cfg.Opt, ...]:
        """Those of every store and those of the driver."""
        return (*STORE_OPTIONS, *self.driver.OPTIONS)


def build_stores(conf: cfg.ConfigOpts, *, threads: int | None = None) -> StoreSet:
    """The enabled stores, each driver made from its section. `threads`: how many of the host's move images; without
    `max_transfers` a store may take a part of them (`imgstore.bulkhead.share`). Raises ConfigurationError; then none is
    left open."""
    plans = store_plans(conf)
    default = _default(conf, [plan.identifier for plan in plans])
    with contextlib.ExitStack() as undo:
        stores = []
        for plan in plans:
            store = _store(conf, plan, share(threads, stores=len(plans)))
            undo.callback(store.driver.close)
            stores.append(store)
        built = StoreSet(stores, default=default)
        undo.pop_all()
    return built


def driver_names(conf: cfg.ConfigOpts) -> dict[str, str]:
    """The name of each enabled store's driver, by the store's identifier. Raises ConfigurationError."""
    return dict(_pairs(conf, set()))


def store_plans(conf: cfg.ConfigOpts, *, taken: Mapping[str, object] = _NOTHING) -> list[StorePlan]:
    """The enabled stores, their options registered. `taken`: sections that are somebody else's."""
    pairs = _pairs(conf, {name.lower() for name in taken})
    _default(conf, [identifier for identifier, _ in pairs])
    drivers = {driver: registry.driver_class(driver) for driver in dict.fromkeys(driver for _, driver in pairs)}
    plans = [StorePlan(identifier, driver, drivers[driver]) for identifier, driver in pairs]
    for plan in plans:
        try:
            register(conf, {plan.identifier: plan.options})
        except cfg.DuplicateOptError:
            raise _reserved(plan.identifier) from None
    return plans


def _pairs(conf: cfg.ConfigOpts, taken: set[str]) -> list[tuple[str, str]]:
    entries: list[str] = own_values(conf)["enabled_stores"]
    if not entries:
        raise _enabled_stores("no store is enabled.", "Name one, as in 'enabled_stores = fast:filesystem'.")
    pairs = [_pair(entry) for entry in entries]
    seen: set[str] = set()
    for identifier, _ in pairs:
        _refuse_identifier(identifier, taken)
        if identifier.lower() in seen:
            raise _enabled_stores(
                f"store '{identifier}' is listed twice.",
                "Give every store an identifier of its own; upper and lower case are the same.",
            )
        seen.add(identifier.lower())
    return pairs


def _pair(entry: str) -> tuple[str, str]:
    identifier, colon, driver = (part.strip() for part in entry.partition(":"))
    if not (identifier and colon and driver):
        raise _enabled_stores(f"'{entry}' is not 'identifier:driver'.", "Write it as in 'fast:filesystem'.")
    return identifier, driver


def _refuse_identifier(identifier: str, taken: set[str]) -> None:
    if _IDENTIFIER.fullmatch(identifier) is None:
        raise _enabled_stores(
            f"'{identifier[:80]}' cannot be a store's identifier.",
            "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter, a digit or '_'.",
        )
    if identifier.lower() in RESERVED | taken or identifier.lower().startswith(RESERVED_PREFIX):
        raise _reserved(identifier)


def _reserved(identifier: str) -> ConfigurationError:
    return _enabled_stores(f"the identifier '{identifier}' is reserved.", "Choose another one.")


def _default(conf: cfg.ConfigOpts, identifiers: Sequence[str]) -> str:
    default: str | None = own_values(conf)["default_store"]
    if default is None and len(identifiers) == 1:
        return identifiers[0]
    if default is not None and default in identifiers:
        return default
    unset = "is not set, and there are several stores."
    problem = unset if default is None else f"store '{default}' is not enabled."
    raise ConfigurationError(
        problem, section=SECTION, option="default_store", cure=f"Name one of: {', '.join(identifiers)}."
    )


def _enabled_stores(problem: str, cure: str) -> ConfigurationError:
    return ConfigurationError(problem, section=SECTION, option="enabled_stores", cure=cure)


def _store(conf: cfg.ConfigOpts, plan: StorePlan, share: int) -> Store:
    common = values(conf, plan.identifier, STORE_OPTIONS)
    bulkhead = Bulkhead(max_transfers=common.pop("max_transfers") or share, max_wait=common.pop("max_wait"))
    driver = build_driver(plan, values(conf, plan.identifier, plan.driver.OPTIONS))
    return Store(plan.identifier, driver, bulkhead=bulkhead, **common)


def build_driver(plan: StorePlan, options: dict[str, Any]) -> StoreDriver:
    """The plan's driver with these values. Raises ConfigurationError, with the store's section."""
    try:
        return plan.driver(**options)
    except ConfigurationError as error:
        raise error.in_section(plan.identifier) from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"driver '{plan.driver_name}' failed with these options ({type(error).__name__}).",
            section=plan.identifier,
            cure="Check them against the driver's documentation; a driver should say which one is wrong.",
        ) from error
