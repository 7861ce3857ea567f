"""From a mapping to a configuration that was checked: for Django's settings, YAML, TOML, or a model of pydantic.

    sections = {"imgstore": {"enabled_stores": ["fast:filesystem"]}, "fast": {"datadir": Path("/srv/images")}}
    conf = config.from_mapping(sections)

The options, their checks, units and messages are those of the ini files (`imgstore.config.load`). A value may be of the
option's type, or its text (`imgstore.config.plain_values`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from oslo_config import cfg

from imgstore.config.load import NOTHING, Known, Source, check, empty
from imgstore.config.options import SECTION
from imgstore.config.plain_values import plain
from imgstore.config.values import Sections, set_values
from imgstore.errors import ConfigurationError

NAME = "the mapping"


def from_mapping(sections: Mapping[str, Mapping[str, Any] | None], *, extra: Known = NOTHING) -> cfg.ConfigOpts:
    """The configuration in `sections`, and the environment (`OS_FAST__DATADIR`) over it. A value None is as none.

    `extra`: the host's own sections, as in `load`. Raises ConfigurationError.
    """
    given = _given(sections)
    conf = empty([])
    source = Source(NAME, {name: dict.fromkeys(options, ("",)) for name, options in given.items()})
    check(conf, [source], extra, read=partial(set_values, conf, given, of=plain))
    return conf


def _given(sections: object) -> Sections:
    """The values that are set, by section and option."""
    if not isinstance(sections, Mapping):
        problem = "the configuration is not a mapping of sections."
        raise ConfigurationError(problem, section=SECTION, cure="Give each section by its name.")
    given: dict[str, dict[str, Any]] = {}
    for name, options in sections.items():
        section = str(name)
        twin = next((other for other in given if other.lower() == section.lower()), None)
        if twin is not None:
            problem = f"it is given twice, as '{twin}' too: upper and lower case are the same."
            raise ConfigurationError(problem, section=section, cure="Leave one of them.")
        given[section] = _options(section, options)
    return given


def _options(section: str, options: object) -> dict[str, Any]:
    if options is None:  # what YAML has where nothing follows
        return {}
    if not isinstance(options, Mapping):
        problem = "it is not a mapping of options."
        raise ConfigurationError(problem, section=section, cure="Give its options by their names.")
    return {str(name): value for name, value in options.items() if value is not None}
