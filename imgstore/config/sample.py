"""The options for oslo-config-generator, which makes etc/imgstore.conf.sample of them.

A driver that cannot be loaded is named with the reason and the cure: the others are there all the same. An option that
must be set says so.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from oslo_config import cfg

from imgstore.config import registry
from imgstore.config.options import OPTIONS, SECTION, STORE_OPTIONS
from imgstore.driver.base import StoreDriver
from imgstore.errors import ConfigurationError

EXAMPLES = {"filesystem": "ssd"}
"""Identifiers of example stores, by driver; `my-<driver>` for the others."""


def list_opts() -> list[tuple[str | cfg.OptGroup, list[cfg.Opt]]]:
    """Every option: [imgstore], and an example section for each driver that can be loaded."""
    examples, unusable = [], []
    for driver in registry.driver_names():
        try:
            examples.append(_example(driver, registry.driver_class(driver)))
        except ConfigurationError as error:
            unusable.append(error.message.partition(": ")[2])  # behind section and option
    return [(_own_group(unusable), list(OPTIONS)), *examples]


def _own_group(unusable: Sequence[str]) -> cfg.OptGroup:
    text = (
        "Options of the whole service. A size is a number of bytes, or has a suffix: KiB, MiB, GiB, TiB or PiB. "
        "Write '$$' for a '$' in a value. An unknown section or option stops the start."
    )
    left_out = f" Left out here: {' '.join(unusable)}" if unusable else ""
    return cfg.OptGroup(SECTION, help=text + left_out)


def _example(driver: str, found: type[StoreDriver]) -> tuple[cfg.OptGroup, list[cfg.Opt]]:
    identifier = EXAMPLES.get(driver, f"my-{driver}")
    text = (
        f"An example of a store with the driver '{driver}'. To use it, put '{identifier}:{driver}' into "
        "enabled_stores. The identifier is yours to choose, and several stores may have the same driver."
    )
    return cfg.OptGroup(identifier, help=text), [*STORE_OPTIONS, *map(_marked, found.OPTIONS)]


def _marked(option: cfg.Opt) -> cfg.Opt:
    """The option as the sample shows it."""
    if not option.required:
        return option
    marked = copy.copy(option)
    marked.help = f"{option.help or ''} Required.".strip()
    return marked
