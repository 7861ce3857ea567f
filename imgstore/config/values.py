"""The values of options, read through oslo.config. A bad value is refused in one line: section, option and cure.

The rules of `plain_text` hold here too, since a value may come from the environment, or from a host's own ConfigOpts.
No value that may be a secret is shown (no secrets). A user or a password in a URL is refused in an option that is not
secret, since such a URL is shown: in a log, in an error of whoever connects to it, or even to clients.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_config import cfg, types

from imgstore.config.inifiles import any_byte_order_mark, refuse_swallowed_lines, spellings, value_blemish
from imgstore.config.options import OPTIONS, SECTION
from imgstore.config.plain_values import NotPlain
from imgstore.driver.plain_text import Blemish
from imgstore.errors import ConfigurationError

Sections = Mapping[str, Mapping[str, Any]]
"""Values of options by section."""
Convert = Callable[[cfg.Opt, Any], Any]
"""From a value as it was given to one that oslo.config takes."""

_USER_IN_URL = re.compile(r"(?:^|[\s,'\"])[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]*@")


def register(conf: cfg.ConfigOpts, known: Mapping[str, Sequence[cfg.Opt]]) -> None:
    """Makes the options of each section known. To register the same options again changes nothing."""
    for section, options in known.items():
        conf.register_opts(options, group=None if section == "DEFAULT" else section)


def set_values(
    conf: cfg.ConfigOpts, given: Sections, known: Mapping[str, Sequence[cfg.Opt]], *, of: Convert | None = None
) -> None:
    """Makes the values those of the options in `known`, each as `of` makes it. They are defaults to oslo.config: a file
    and the environment win. Raises ConfigurationError."""
    register(conf, known)
    by_lower = {name.lower(): name for name in known}
    for written, values in given.items():
        section = by_lower.get(written.lower())
        if section is not None:
            for option in known[section]:
                _set_option(conf, section, option, values, of)


def _set_option(
    conf: cfg.ConfigOpts, section: str, option: cfg.Opt, values: Mapping[str, Any], of: Convert | None
) -> None:
    for name in spellings(section, option):
        if name in values:
            try:
                value = values[name] if of is None else of(option, values[name])
                conf.set_default(option.dest, value, group=None if section == "DEFAULT" else section)
            except (ValueError, TypeError) as error:
                shown = str(error) if isinstance(error, NotPlain) else repr(values[name])
                raise not_valid(section, option, error, written=shown) from None


def own_values(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """The values of [imgstore] by option. Raises ConfigurationError."""
    register(conf, {SECTION: OPTIONS})
    return values(conf, SECTION, OPTIONS)


def values(conf: cfg.ConfigOpts, section: str, options: Sequence[cfg.Opt]) -> dict[str, Any]:
    """The values of a section by option. Raises ConfigurationError."""
    return {option.dest: _value(conf, section, option) for option in options}


def _value(conf: cfg.ConfigOpts, section: str, option: cfg.Opt) -> Any:
    try:
        value = (conf if section == "DEFAULT" else conf[section])[option.dest]
    except (cfg.Error, ValueError) as error:
        # Without its cause: oslo.config's text holds the value, which may be a secret.
        raise not_valid(section, option, error, written=_written(conf, section, option)) from None
    if isinstance(value, float) and not math.isfinite(value):  # 'nan' and 'inf' are numbers to oslo.config
        raise not_valid(section, option, ValueError("no finite number"), written=repr(value))
    if value is None and (option.required or option.default is not None):
        raise ConfigurationError("is not set.", section=section, option=option.name, cure=f"Set {_expected(option)}.")
    if (found := value_blemish(option, value)) is not None:
        _refuse_blemish(conf, section, option, found)
    if not option.secret and _holds_credential(value):
        raise _credential(section, option)
    return value


def _refuse_blemish(conf: cfg.ConfigOpts, section: str, option: cfg.Opt, found: Blemish) -> None:
    """Raises ConfigurationError, unless a file has the remark in quotes or the value is the default."""
    location = conf.get_location(option.dest, None if section == "DEFAULT" else section)
    where = "the value"
    if location is None or location.location is cfg.Locations.opt_default:
        return
    if location.location is cfg.Locations.set_default and found.remark:  # as in a mapping, where nothing is a remark
        return
    if location.location is cfg.Locations.environment:
        where = f"the variable {location.detail}"
    elif location.location is cfg.Locations.user:
        # A file may be gone, or may not be what it was when the host read it.
        with contextlib.suppress(OSError, ValueError):
            refuse_swallowed_lines(
                location.detail, {section.lower(): dict.fromkeys(spellings(section, option), option)}
            )
            if found.remark:
                return
    raise ConfigurationError(f"{where} {found.problem}", section=section, option=option.name, cure=found.cure)


def _holds_credential(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_credential(each) for each in value)
    return isinstance(value, str) and _USER_IN_URL.search(value) is not None


def _credential(section: str, option: cfg.Opt) -> ConfigurationError:
    cure = "Remove it: there are options of their own for it, or none is needed."
    return ConfigurationError("a user or a password is in the URL.", section=section, option=option.name, cure=cure)


def not_valid(section: str, option: cfg.Opt, error: Exception, *, written: str) -> ConfigurationError:
    """The refusal of a value, `written` so."""
    if isinstance(error, (cfg.TemplateSubstitutionError, cfg.NoSuchOptError)):
        problem, cure = "a '$' in the value names no option.", "Write '$$' for a dollar sign."
    elif option.secret or _holds_credential(written):
        problem, cure = "the value is not valid.", f"Set {_expected(option)}."
    else:
        # oslo.config has the better words for its own types only where they have no bounds.
        why = str(error.__context__ or error)
        reason = "" if isinstance(option.type, types.Integer) or why == written else f" ({why})"
        problem = f"{written} is not valid{reason}."
        cure = f"Set {_expected(option)}."
    return ConfigurationError(problem, section=section, option=option.name, cure=cure)


def _written(conf: cfg.ConfigOpts, section: str, option: cfg.Opt) -> str:
    """The value as it is written, in quotes: oslo.config is asked once more, for mere text."""
    plain = cfg.ConfigOpts()
    with contextlib.suppress(cfg.Error), any_byte_order_mark():
        plain(args=[], default_config_files=list(conf.config_file or []), default_config_dirs=[])
        plain.register_opt(cfg.StrOpt(option.name, dest=option.dest), group=section)
        return repr(plain[section][option.dest])
    return "the value"


def _expected(option: cfg.Opt) -> str:
    """What may be set, in words: '(integer value, at least 1): Number of things'."""
    least, most, choices = (getattr(option.type, name, None) for name in ("min", "max", "choices"))
    words = [str(getattr(option.type, "type_name", "value"))]
    words += [] if least is None else [f"at least {least}"]
    words += [] if most is None else [f"at most {most}"]
    words += [f"one of {', '.join(map(str, choices))}"] if choices else []
    purpose = (option.help or "").split(". ")[0].rstrip(".")
    return f"it ({', '.join(words)}): {purpose}"
