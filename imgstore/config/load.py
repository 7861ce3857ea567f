"""From ini files to the library's objects: the only module that knows ConfigOpts.

    conf = config.load(["/etc/imgstore.conf"])
    stores = config.build_stores(conf)
    stores.check()

`load` refuses a configuration that cannot work before anything is built; a host with a ConfigOpts of its own skips it
and hands that to the others. Every refusal is one line that names section, option and cure (law 11), and shows no
secret (law 7).

What this module refuses to do: read or write an image, or give a driver more than values.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from oslo_config import cfg, types

from imgstore.config import inifiles, registry
from imgstore.config.options import OPTIONS, SECTION, STORE_OPTIONS
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import HasCapacity
from imgstore.errors import ConfigurationError
from imgstore.limits import Allowance, FixedLimits
from imgstore.store import Store, StoreSet
from imgstore.transfers.taps import TapFactory
from imgstore.transfers.upload import UploadSettings

RESERVED = frozenset({SECTION, "service", "default"})
RESERVED_PREFIX = "os_glance_"
EXAMPLES = {"filesystem": "ssd"}

_IDENTIFIER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
_NOTHING: Mapping[str, Sequence[cfg.Opt]] = MappingProxyType({})


def load(files: Sequence[str], *, extra: Mapping[str, Sequence[cfg.Opt]] = _NOTHING) -> cfg.ConfigOpts:
    """The configuration in `files`, later ones over earlier ones, and the environment (`OS_FAST__DATADIR`) over all.

    `extra` are the host's own sections with their options; one without options is not looked into. Everything is
    checked except what only a running driver can find out. Raises ConfigurationError.
    """
    parsed = [inifiles.parse(path) for path in files]
    conf = cfg.ConfigOpts()
    conf(args=[], project="imgstore", default_config_files=list(files), default_config_dirs=[])
    known = {**extra, SECTION: (*OPTIONS, *extra.get(SECTION, ()))}
    _register(conf, known)
    for plan in _plans(conf, taken=extra):
        known[plan.identifier] = plan.options
    for file in parsed:
        inifiles.refuse_unknown(file, known)
    for section, options in known.items():
        _values(conf, section, options)
    return conf


def build_stores(conf: cfg.ConfigOpts) -> StoreSet:
    """The enabled stores, each driver made from its section. Raises ConfigurationError; then none is left open."""
    plans = _plans(conf)
    default = _default(conf, [plan.identifier for plan in plans])
    with contextlib.ExitStack() as undo:
        stores = []
        for plan in plans:
            store = _store(conf, plan)
            undo.callback(store.driver.close)
            stores.append(store)
        built = StoreSet(stores, default=default)
        undo.pop_all()
    return built


def driver_names(conf: cfg.ConfigOpts) -> dict[str, str]:
    """The name of each enabled store's driver, by the store's identifier. Raises ConfigurationError."""
    return dict(_pairs(conf, set()))


def upload_settings(conf: cfg.ConfigOpts) -> UploadSettings:
    """What uploads are held to. Raises ConfigurationError."""
    values = _own(conf)
    return UploadSettings(
        max_image_size=values["max_image_size"],
        hash_algo=values["hash_algorithm"],
        checksum=values["checksum"],
        several_stores=values["several_stores"],
    )


def project_quota(conf: cfg.ConfigOpts) -> int | None:
    """Bytes that one project's images may take; None: no limit. Raises ConfigurationError."""
    quota: int | None = _own(conf)["project_quota"]
    return quota


def quota_limits(conf: cfg.ConfigOpts, stores: StoreSet) -> FixedLimits:
    """What projects and `stores` may take. Raises ConfigurationError."""
    values = _own(conf)
    default = Allowance(values["project_quota"], values["project_images"], values["project_uploads"])
    exceptions = [values[f"project_{name}_exceptions"] for name in ("quota", "images", "uploads")]
    sizes, images, uploads = exceptions
    return FixedLimits(
        default=default,
        projects={
            project: Allowance(
                sizes.get(project, default.size),
                images.get(project, default.images),
                uploads.get(project, default.uploads),
            )
            for project in {*sizes, *images, *uploads}
        },
        in_stores={store.identifier: Allowance(size=store.project_quota) for store in stores},
        stores=capacities(stores),
    )


def capacities(stores: StoreSet) -> dict[str, Allowance]:
    """What each store has room for."""
    return {
        store.identifier: Allowance(size=store.driver.capacity)
        for store in stores
        if isinstance(store.driver, HasCapacity)
    }


def build_taps(conf: cfg.ConfigOpts) -> list[TapFactory]:
    """The taps that are turned on. Raises ConfigurationError if one needs a package that is missing."""
    if not _own(conf)["inspection"]:
        return []
    try:
        from imgstore.transfers.inspection import FormatInspection
    except ImportError as error:
        raise ConfigurationError(
            f"is on, but the module '{error.name}' is missing.",
            section=SECTION,
            option="inspection",
            cure="Install it: pip install 'imgstore[inspection]', or set inspection = false.",
        ) from error
    return [FormatInspection()]


def list_opts() -> list[tuple[str | cfg.OptGroup, list[cfg.Opt]]]:
    """Every option, for oslo-config-generator: [imgstore], and an example section for each driver that can be used."""
    groups: list[tuple[str | cfg.OptGroup, list[cfg.Opt]]] = [(_own_group(), list(OPTIONS))]
    for driver in registry.driver_names():
        with contextlib.suppress(ConfigurationError):
            groups.append((_example(driver), [*STORE_OPTIONS, *registry.driver_class(driver).OPTIONS]))
    return groups


def _own_group() -> cfg.OptGroup:
    return cfg.OptGroup(
        SECTION,
        help="What holds for the whole service. Sizes are in bytes, or have a suffix: KiB, MiB, GiB, TiB or PiB. A '$' "
        "in a value is written '$$'. Sections and options that nobody knows stop the start.",
    )


def _example(driver: str) -> cfg.OptGroup:
    identifier = EXAMPLES.get(driver, f"my-{driver}")
    return cfg.OptGroup(
        identifier,
        help=f"An example of a store of the driver '{driver}': this section is read where enabled_stores has "
        f"'{identifier}:{driver}'. Any identifier will do, and several stores may have this driver.",
    )


@dataclass(frozen=True)
class _Plan:
    """A store that is to be built."""

    identifier: str
    driver_name: str
    driver: type[StoreDriver]

    @property
    def options(self) -> tuple[cfg.Opt, ...]:
        return (*STORE_OPTIONS, *self.driver.OPTIONS)


def _plans(conf: cfg.ConfigOpts, *, taken: Mapping[str, object] = _NOTHING) -> list[_Plan]:
    """The enabled stores, their options registered. `taken`: sections that are somebody else's."""
    pairs = _pairs(conf, {name.lower() for name in taken})
    _default(conf, [identifier for identifier, _ in pairs])
    plans = [_Plan(identifier, driver, registry.driver_class(driver)) for identifier, driver in pairs]
    for plan in plans:
        _refuse_common_options(plan)
        try:
            _register(conf, {plan.identifier: plan.options})
        except cfg.DuplicateOptError:
            raise _reserved(plan.identifier) from None
    return plans


def _pairs(conf: cfg.ConfigOpts, taken: set[str]) -> list[tuple[str, str]]:
    entries: list[str] = _own(conf)["enabled_stores"]
    if not entries:
        raise _enabled_stores("no store is enabled.", "Name one, as in 'enabled_stores = fast:filesystem'.")
    pairs = [_pair(entry) for entry in entries]
    seen: set[str] = set()
    for identifier, _ in pairs:
        _refuse_identifier(identifier, taken)
        if identifier.lower() in seen:
            raise _enabled_stores(
                f"store '{identifier}' is listed twice.", "Give every store an identifier of its own, case aside."
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
    default: str | None = _own(conf)["default_store"]
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


def _refuse_common_options(plan: _Plan) -> None:
    common = {option.dest for option in STORE_OPTIONS} & {option.dest for option in plan.driver.OPTIONS}
    if common:
        raise _enabled_stores(
            f"driver '{plan.driver_name}' has options that every store has: {', '.join(sorted(common))}.",
            "Report it to the driver's author, or use another driver.",
        )


def _store(conf: cfg.ConfigOpts, plan: _Plan) -> Store:
    common = _values(conf, plan.identifier, STORE_OPTIONS)
    return Store(plan.identifier, _driver(plan, _values(conf, plan.identifier, plan.driver.OPTIONS)), **common)


def _driver(plan: _Plan, values: dict[str, Any]) -> StoreDriver:
    try:
        return plan.driver(**values)
    except ConfigurationError as error:
        raise error.in_section(plan.identifier) from error
    except Exception as error:
        raise ConfigurationError(
            f"driver '{plan.driver_name}' failed with these options ({type(error).__name__}).",
            section=plan.identifier,
            cure="Check them against the driver's documentation; a driver should say which one is wrong.",
        ) from error


def _register(conf: cfg.ConfigOpts, known: Mapping[str, Sequence[cfg.Opt]]) -> None:
    """Registering the same options again changes nothing, so everybody may call this."""
    for section, options in known.items():
        conf.register_opts(options, group=None if section == "DEFAULT" else section)


def _own(conf: cfg.ConfigOpts) -> dict[str, Any]:
    _register(conf, {SECTION: OPTIONS})
    return _values(conf, SECTION, OPTIONS)


def _values(conf: cfg.ConfigOpts, section: str, options: Sequence[cfg.Opt]) -> dict[str, Any]:
    return {option.dest: _value(conf, section, option) for option in options}


def _value(conf: cfg.ConfigOpts, section: str, option: cfg.Opt) -> Any:
    try:
        value = (conf if section == "DEFAULT" else conf[section])[option.dest]
    except (cfg.Error, ValueError) as error:
        # Without its cause: oslo.config's text holds the value, which may be a secret.
        raise _not_valid(conf, section, option, error) from None
    if value is None and (option.required or option.default is not None):
        raise ConfigurationError("is not set.", section=section, option=option.name, cure=f"Set {_expected(option)}.")
    return value


def _not_valid(conf: cfg.ConfigOpts, section: str, option: cfg.Opt, error: Exception) -> ConfigurationError:
    if isinstance(error, (cfg.TemplateSubstitutionError, cfg.NoSuchOptError)):
        problem, cure = "a '$' in the value names no option.", "Write '$$' for a dollar sign."
    elif option.secret:
        problem, cure = "the value is not valid.", f"Set {_expected(option)}."
    else:
        # oslo.config has the better words for its own types only where they have no bounds.
        reason = "" if isinstance(option.type, types.Integer) else f" ({error.__context__ or error})"
        problem = f"{_written(conf, section, option)} is not valid{reason}."
        cure = f"Set {_expected(option)}."
    return ConfigurationError(problem, section=section, option=option.name, cure=cure)


def _written(conf: cfg.ConfigOpts, section: str, option: cfg.Opt) -> str:
    """The value as it is written, in quotes, asked of oslo.config once more as mere text."""
    plain = cfg.ConfigOpts()
    with contextlib.suppress(cfg.Error):
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
