"""What an operator's commands need of Glance's configuration besides the stores: its database, and what it notes where.

It is read as Glance reads it, from its files and from the environment (`OS_DATABASE__CONNECTION`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oslo_config import cfg

from imgstore.config import glance
from imgstore.config.load import empty, parse_file
from imgstore.config.values import register, values
from imgstore.errors import ConfigurationError

ENCRYPTION, CONNECTION, PLACES = "metadata_encryption_key", "connection", "places_dir"


@dataclass(frozen=True)
class GlanceSettings:
    """`database`: Glance's `[database] connection`, None if it is not set. `backends`: all that it has enabled.
    `places_dirs`: the option of each store that has it."""

    database: str | None = field(repr=False)
    backends: frozenset[str]
    places_dirs: Mapping[str, str]


def glance_settings(files: Sequence[str]) -> GlanceSettings | None:
    """None for a configuration that is not Glance's. Raises ConfigurationError."""
    if not files or not glance.is_old([parse_file(path).sections for path in files]):
        return None
    conf = empty(files)
    general = values_of(conf, "DEFAULT", cfg.StrOpt(glance.BACKENDS), cfg.StrOpt(ENCRYPTION, secret=True))
    if general[ENCRYPTION]:
        raise ConfigurationError(
            "is set, so Glance's locations cannot be read.", section="DEFAULT", option=ENCRYPTION,
            cure="Use the commands without Glance's database, with a configuration of imgstore's own.",
        )  # fmt: skip
    backends = frozenset(name for name, _ in glance.pairs(str(general[glance.BACKENDS])))
    noted = {name: values_of(conf, name, cfg.StrOpt(PLACES))[PLACES] for name in backends}
    database = values_of(conf, "database", cfg.StrOpt(CONNECTION, secret=True))[CONNECTION]
    return GlanceSettings(database, backends, {name: directory for name, directory in noted.items() if directory})


def values_of(conf: cfg.ConfigOpts, section: str, *options: cfg.Opt) -> dict[str, Any]:
    """The values of these options of Glance's. Raises ConfigurationError."""
    register(conf, {section: options})
    return values(conf, section, options)
