"""From ini files to a configuration that was checked.

    conf = config.load(["/etc/imgstore.conf"])
    stores = config.build_stores(conf)
    stores.check()

`load` refuses what cannot work before anything is built; a host with a ConfigOpts of its own skips it. Every refusal
is one line that names section, option and cure (right blame), and shows no value that may be a secret (no secrets).

oslo.config ignores a misspelt section or option, and takes the last of two values; here each of them is refused. The
files of a Glance are read as they stand (`imgstore.config.glance`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from oslo_config import cfg, iniparser

from imgstore.config import glance
from imgstore.config.inifiles import IniParser, any_byte_order_mark, refuse_swallowed_lines, section_key, spellings
from imgstore.config.options import OPTIONS, SECTION
from imgstore.config.registry import suggestion
from imgstore.config.secrecy import warn_of_readers
from imgstore.config.stores import store_plans
from imgstore.config.values import register, set_values, values
from imgstore.config.variables import refuse_unknown_variables
from imgstore.errors import ConfigurationError

Known = Mapping[str, Sequence[cfg.Opt]]

LOG = logging.getLogger(__name__)

NOTHING: Known = MappingProxyType({})


def load(files: Sequence[str], *, extra: Known = NOTHING) -> cfg.ConfigOpts:
    """The configuration in `files`, later ones over earlier ones, and the environment (`OS_FAST__DATADIR`) over all.

    `extra`: the host's own sections with their options; a section without options is not looked into. Everything is
    checked except what only a running driver can find out. Raises ConfigurationError.
    """
    parsed = [parse_file(path) for path in files]
    conf = empty(files)
    if glance.is_old([file.sections for file in parsed]):
        return _load_old(conf, parsed, extra)
    known = check(conf, parsed, extra, read=partial(_refuse_swallowed, parsed))
    for file in parsed:
        warn_of_readers(file.path, _secrets(file, known))
    return conf


def translated(files: Sequence[str]) -> glance.Translation:
    """Glance's files as sections of ours. Raises ConfigurationError, also for files that are not Glance's."""
    parsed = [parse_file(path).sections for path in files]
    if not glance.is_old(parsed):
        raise ConfigurationError(
            "is not set, so this is no configuration of Glance's.", section="DEFAULT", option=glance.BACKENDS,
            cure="Name a glance-api.conf that enables backends.",
        )  # fmt: skip
    return glance.translate(parsed)


def _load_old(conf: cfg.ConfigOpts, files: Sequence[Source], extra: Known) -> cfg.ConfigOpts:
    """The configuration in Glance's files."""
    translation = glance.translate([file.sections for file in files])
    for remark in translation.remarks:
        LOG.warning("Glance's configuration: %s", remark)
    sources = [_without_old(file, translation, extra) for file in files]
    known = check(conf, sources, extra, read=partial(set_values, conf, translation.sections))
    for file in files:
        old = (f"[{name}] {key}" for name, key in glance.secrets(file.sections))
        warn_of_readers(file.path, [*old, *_secrets(file, known)])
    return conf


def _without_old(file: Source, translation: glance.Translation, extra: Known) -> Source:
    """What of the file is the host's and ours: nothing else of Glance's is looked at."""
    ours = {section_key(name) for name in (*extra, *translation.sections)}
    kept = {
        section: {name: lines for name, lines in found.items() if not translation.is_read(section, name)}
        for section, found in file.sections.items()
        if section_key(section) in ours
    }
    return Source(file.path, kept)


def empty(files: Sequence[str]) -> cfg.ConfigOpts:
    """A configuration without options, which reads these files and the environment."""
    conf = cfg.ConfigOpts()
    with any_byte_order_mark():
        conf(args=[], project="imgstore", default_config_files=list(files), default_config_dirs=[])
    return conf


def check(conf: cfg.ConfigOpts, sources: Sequence[Source], extra: Known, *, read: Callable[[Known], object]) -> Known:
    """Makes the options of the library, the host and the stores known, and checks their values. `read` is called with
    the library's and the host's options, and again with those of the stores. Returns all. Raises ConfigurationError."""
    known = {**extra, SECTION: (*OPTIONS, *extra.get(SECTION, ()))}
    register(conf, known)
    read(known)
    for plan in store_plans(conf, taken=extra):
        known[plan.identifier] = plan.options
    for source in sources:
        _refuse_unknown(source, known)
    refuse_unknown_variables(known)
    read(known)
    for section, options in known.items():
        values(conf, section, options)
    return known


def _secrets(file: Source, known: Known) -> Iterator[str]:
    """The secret options that are set in `file`."""
    secret = {(section_key(name), each.dest) for name, options in known.items() for each in options if each.secret}
    for section, found in file.sections.items():
        yield from (f"[{section}] {name}" for name in found if (section_key(section), name) in secret)


def _refuse_swallowed(files: Sequence[Source], known: Known) -> None:
    options = {
        name.lower(): {spelling: option for option in options for spelling in spellings(name, option)}
        for name, options in known.items()
    }
    for file in files:
        refuse_swallowed_lines(file.path, options)


@dataclass(frozen=True)
class Source:
    """One file, or what stands for one: the values of each option, one for each time, by section as it is written."""

    path: str
    sections: Mapping[str, Mapping[str, Sequence[str]]]


def parse_file(path: str) -> Source:
    """The file at `path`. Raises ConfigurationError if it cannot be read or is not an ini file."""
    sections: dict[str, dict[str, list[str]]] = {}
    parser = IniParser(path, sections)
    try:
        parser.parse()
    except OSError as error:
        raise _unreadable(path, error.strerror or type(error).__name__) from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is not text in UTF-8") from error
    except iniparser.ParseError as error:
        raise ConfigurationError(
            f"line {error.lineno} of {path} cannot be understood ({error.msg}).",
            section=parser.section or SECTION,
            cure="Write 'option = value' lines under a '[section]' line, and remarks on lines of their own.",
        ) from None
    return Source(path, sections)


def _refuse_unknown(file: Source, known: Known) -> None:
    """Raises ConfigurationError for a section or option of `file` that is not in `known`, or is set twice.

    A known section without options is somebody else's, and an unknown one in which nothing is set does no harm: neither
    is refused. As in oslo.config, the case of a section's name does not matter, except for DEFAULT.
    """
    by_lower = {section_key(name): name for name in known}
    times: Counter[tuple[str, str]] = Counter()
    for section, found in file.sections.items():
        name = by_lower.get(section_key(section))
        if name is None and found:
            raise _unknown_section(file, section, list(known))
        if name is not None and known[name]:
            options = {spelling: option for option in known[name] for spelling in spellings(name, option)}
            times.update({(name, key): len(texts) for key, texts in found.items()})
            _refuse_unknown_options(file, section, {key: times[name, key] for key in found}, options)


def _refuse_unknown_options(
    file: Source, section: str, found: Mapping[str, int], options: Mapping[str, cfg.Opt]
) -> None:
    """`found`: how often each option is set, also in the section as it was written before."""
    for key, times in found.items():
        if key not in options:
            raise ConfigurationError(
                f"no such option (in {file.path}). {suggestion(key, list(options))}",
                section=section,
                option=key,
                cure=f"Correct or remove it; there are: {', '.join(sorted(options))}.",
            )
        if times > 1 and not options[key].multi:
            raise ConfigurationError(
                f"is set {times} times in {file.path}.", section=section, option=key, cure="Leave one of them."
            )


def _unknown_section(file: Source, section: str, known: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"no such section (in {file.path}). {suggestion(section, known)}",
        section=section,
        cure="Add it to enabled_stores if it is a store; else correct it or comment it out.",
    )


def _unreadable(path: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"the configuration file {path} cannot be read: {reason}.",
        section=SECTION,
        cure="Name a file that exists and that the service may read.",
    )
