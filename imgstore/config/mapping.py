"""From a mapping to a configuration that was checked: for Django's settings, YAML, TOML, or a model of pydantic.

    sections = {"imgstore": {"enabled_stores": ["fast:filesystem"]}, "fast": {"datadir": Path("/srv/images")}}
    conf = config.from_mapping(sections)

The options, their checks, units and messages are those of the ini files (`imgstore.config.load`). A value may be of the
option's type, or its text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

from oslo_config import cfg

from imgstore.config.load import NOTHING, Known, Source, check, empty
from imgstore.config.values import Sections, set_values
from imgstore.errors import ConfigurationError

NAME = "the mapping"


def from_mapping(sections: Sections, *, extra: Known = NOTHING) -> cfg.ConfigOpts:
    """The configuration in `sections`, and the environment (`OS_FAST__DATADIR`) over it. A value None is as none.

    `extra`: the host's own sections, as in `load`. Raises ConfigurationError.
    """
    conf = empty([])
    given = {name: _given(name, options) for name, options in sections.items()}
    source = Source(NAME, {name: dict.fromkeys(options, ("",)) for name, options in given.items()})
    check(conf, [source], extra, read=partial(set_values, conf, given))
    return conf


def _given(section: str, options: object) -> Mapping[str, Any]:
    """The values that are set, as oslo.config takes them."""
    if not isinstance(options, Mapping):
        problem = "it is not a mapping of options."
        raise ConfigurationError(problem, section=section, cure="Give its options by their names.")
    return {str(name): _plain(value) for name, value in options.items() if value is not None}


def _plain(value: Any) -> Any:
    """Texts as they are meant, since a dollar sign begins a name to oslo.config; paths as texts, sequences as lists."""
    if isinstance(value, (str, PurePath)):
        return str(value).replace("$", "$$")
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(each) for each in value]
    return value
