"""A Glance operator's ini files, as they stand, as a configuration of this library.

`[DEFAULT] enabled_backends` tells such a file. Its stores become ours, under their identifiers: `[backend_defaults]`
and the section of each are read, values are converted (MB to bytes, octal modes), and defaults are those of Glance
where they say where the data is. Backends of imgstore's own types keep their options. What has no counterpart is named,
once, and not silently left out. What is not about stores (database, policy, messages) is somebody else's. `imgstore
migrate-config` writes the result down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from imgstore.config.glance_options import (
    ANY,
    COMMON,
    DATADIR,
    DRIVER,
    GLANCES_OWN,
    OPTIONS,
    OTHERS,
    OURS,
    OWN,
    PREFIXES,
    SECRETS,
    STORES,
    USER,
    WITHOUT,
    Counterpart,
)
from imgstore.config.inifiles import section_key
from imgstore.config.options import SECTION
from imgstore.config.registry import suggestion
from imgstore.errors import ConfigurationError

BACKENDS = "enabled_backends"
DEFAULTS = "backend_defaults"

Lines = Mapping[str, Mapping[str, Sequence[str]]]
"""The values of each option, by section, as a file has them."""


@dataclass(frozen=True)
class Translation:
    """The new sections with the texts of their options, and a remark for each old option that has no counterpart.
    `ours`: the stores that were imgstore's in Glance already."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    ours: frozenset[str] = frozenset()

    def lines(self) -> Iterator[str]:
        """The new file."""
        yield from (f"# {remark}" for remark in self.remarks)
        for section, options in self.sections.items():
            yield from ("", f"[{section}]", *(f"{name} = {_written(text)}" for name, text in options.items()))

    def is_read(self, section: str, option: str) -> bool:
        """Whether an option is Glance's or glance_store's, so that this has read it, or has remarked it."""
        if section_key(section) in {section_key(name) for name in self.ours}:
            return option in COMMON or option == DRIVER or _is_of_glance(option)
        return option in COMMON or option == GLANCES_OWN or option.startswith(OTHERS)


@dataclass(frozen=True)
class _Backend:
    """One enabled backend that has a driver here; `ours`: of one of imgstore's own types."""

    name: str
    driver: str
    ours: bool


def is_old(files: Sequence[Lines]) -> bool:
    """Whether the files are Glance's: they enable backends and no stores."""
    new = any("enabled_stores" in file.get(SECTION, {}) for file in files)
    return not new and any(BACKENDS in file.get("DEFAULT", {}) for file in files)


def translate(files: Sequence[Lines]) -> Translation:
    """What the files say, later ones over earlier ones. Raises ConfigurationError."""
    old = _together(files)
    remarks: list[str] = []
    stores = list(_stores(old, remarks))
    result = Translation({SECTION: {}}, remarks, frozenset(store.name for store in stores if store.ours))
    result.sections[SECTION]["enabled_stores"] = ", ".join(f"{store.name}:{store.driver}" for store in stores)
    for (section, name), counterpart in OWN.items():
        if name in old.get(section, {}):
            _put(result.sections[SECTION], counterpart, section, name, old[section][name])
    for store in stores:
        given = old.get(section_key(store.name), {})
        result.sections[store.name] = dict(_own_options(given) if store.ours else _store(store.name, store.driver, old))
        if not store.ours:
            result.remarks.extend(_without_counterpart(store.name, given, [store.driver]))
    result.remarks.extend(_without_counterpart(DEFAULTS, old.get(DEFAULTS, {}), list(OPTIONS)))
    return result


def secrets(file: Lines) -> Iterator[tuple[str, str]]:
    """Section and option of each secret of a store in the file."""
    yield from ((section, name) for section, found in file.items() for name in found if name in SECRETS)


def _together(files: Sequence[Lines]) -> dict[str, dict[str, str]]:
    """One text an option, by `section_key`: lines for one that is set several times."""
    old: dict[str, dict[str, str]] = {}
    for file in files:
        for section, options in file.items():
            several = {
                name: lines if name == "filesystem_store_datadirs" else lines[-1:] for name, lines in options.items()
            }
            texts = {name: "\n".join(lines) for name, lines in several.items()}
            old.setdefault(section_key(section), {}).update(texts)
    return old


def _stores(old: Mapping[str, Mapping[str, str]], remarks: list[str]) -> Iterator[_Backend]:
    default = old.get("glance_store", {}).get("default_backend")
    for name, kind in pairs(old["DEFAULT"][BACKENDS]):
        if section_key(name) == SECTION:
            problem = f"a store cannot be called '{name}' here: the section has the library's own options."
            raise _refusal("DEFAULT", BACKENDS, problem, "The commands are for Glance's stores of other names.")
        if kind in STORES:
            yield _Backend(name, STORES[kind], ours=False)
        elif kind == ANY or kind in OURS:
            yield _Backend(name, OURS.get(kind) or _driver(name, old.get(section_key(name), {})), ours=True)
        elif name == default or not kind:
            problem = f"the store '{name}' has the type '{kind}', which has no driver here."
            raise _refusal("DEFAULT", BACKENDS, problem, "Write it as in 'fast:file', of type file, s3 or swift.")
        else:
            remarks.append(f"store {name} is left out: its type '{kind}' has no driver here")


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Identifier and type of each backend."""
    for pair in text.split(","):
        name, _, kind = (part.strip() for part in pair.partition(":"))
        yield name, kind


def _driver(name: str, given: Mapping[str, str]) -> str:
    if not given.get(DRIVER):
        raise _refusal(name, DRIVER, "is not set.", f"Set it: a store of the type {ANY} needs it.")
    return given[DRIVER]


def _own_options(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """As they are, but for what is Glance's."""
    for option, text in given.items():
        if option != DRIVER and not _is_of_glance(option):
            yield COMMON[option].name if option in COMMON else option, text


def _is_of_glance(option: str) -> bool:
    """Whether only Glance reads an option in the section of a store that is ours: there, or with its own driver, whose
    options may stay for the way back."""
    stock = any(option in OPTIONS[driver] or option in WITHOUT[driver] for driver in OPTIONS)
    return stock or option in (GLANCES_OWN, USER)


def _store(name: str, driver: str, old: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    shared, own = old.get(DEFAULTS, {}), old.get(section_key(name), {})
    known = {**COMMON, **OPTIONS[driver]}
    new = {"datadir": DATADIR} if driver == "filesystem" else {}
    for option, text in {**shared, **own}.items():
        if option in known:
            _put(new, known[option], name if option in own else DEFAULTS, option, text)
        elif option == USER and driver == "swift":
            new.update(_user(text))
    yield from new.items()


def _without_counterpart(section: str, given: Mapping[str, str], drivers: Sequence[str]) -> Iterator[str]:
    """A remark for each such option. Raises ConfigurationError for one that is misspelt: a datadir would be the default
    one."""
    for option in given:
        if any(option in OPTIONS[driver] for driver in drivers) or option in COMMON or not option.startswith(OTHERS):
            continue
        for driver in drivers:
            known = {*OPTIONS[driver], *WITHOUT[driver]}
            if option.startswith(PREFIXES[driver]) and option not in known | {USER}:
                problem = f"glance_store has no such option. {suggestion(option, sorted(known))}"
                raise _refusal(section, option, problem.rstrip(), "Correct or remove it.")
        if option != USER or "swift" not in drivers:
            yield f"[{section}] {option} has no counterpart here"


def _user(text: str) -> dict[str, str]:
    project, colon, user = text.partition(":")
    return {"project_name": project, "username": user} if colon else {"username": text}


def _put(new: dict[str, str], counterpart: Counterpart, section: str, option: str, text: str) -> None:
    """Puts the converted value in, unless it says nothing."""
    try:
        value = counterpart.convert(text)
    except ValueError as error:
        raise _refusal(section, option, "the value cannot be kept.", str(error)) from None
    if value != "":
        new[counterpart.name] = value


def _written(text: str) -> str:
    """As a file has it, so that oslo.config, which takes a pair of quotes and blanks away, reads the same."""
    quoted = text != text.strip() or (text[:1] == text[-1:] and text[:1] in ("'", '"'))
    return (f'"{text}"' if quoted else text).replace("\n", "\n    ")


def _refusal(section: str, option: str, problem: str, cure: str) -> ConfigurationError:
    return ConfigurationError(problem, section=section, option=option, cure=cure)
