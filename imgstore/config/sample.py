"""The options for oslo-config-generator, which makes etc/imgstore.conf.sample of them."""

from __future__ import annotations

import contextlib

from oslo_config import cfg

from imgstore.config import registry
from imgstore.config.options import OPTIONS, SECTION, STORE_OPTIONS
from imgstore.errors import ConfigurationError

EXAMPLES = {"filesystem": "ssd"}
"""Identifiers of example stores, by driver; `my-<driver>` for the others."""


def list_opts() -> list[tuple[str | cfg.OptGroup, list[cfg.Opt]]]:
    """Every option: [imgstore], and an example section for each driver that can be loaded."""
    groups: list[tuple[str | cfg.OptGroup, list[cfg.Opt]]] = [(_own_group(), list(OPTIONS))]
    for driver in registry.driver_names():
        with contextlib.suppress(ConfigurationError):
            groups.append((_example(driver), [*STORE_OPTIONS, *registry.driver_class(driver).OPTIONS]))
    return groups


def _own_group() -> cfg.OptGroup:
    return cfg.OptGroup(
        SECTION,
        help="Options of the whole service. A size is a number of bytes, or has a suffix: KiB, MiB, GiB, TiB or PiB. "
        "Write '$$' for a '$' in a value. An unknown section or option stops the start.",
    )


def _example(driver: str) -> cfg.OptGroup:
    identifier = EXAMPLES.get(driver, f"my-{driver}")
    return cfg.OptGroup(
        identifier,
        help=f"An example of a store with the driver '{driver}'. To use it, put '{identifier}:{driver}' into "
        "enabled_stores. The identifier is yours to choose, and several stores may have the same driver.",
    )
