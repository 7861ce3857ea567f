"""A Glance operator's ini files, as they stand, as a configuration of this library.

`[DEFAULT] enabled_backends` tells such a file. Its stores become ours, under their identifiers: `[backend_defaults]`
and the section of each are read, values are converted (MB to bytes, octal modes), and defaults are those of Glance
where they say where the data is. What has no counterpart is named, once, and not silently left out. What is not about
stores (database, policy, messages) is somebody else's. `imgstore migrate-config` writes the result down.

A store that is imgstore's in Glance already (`fast:imgstore_file`) has our options. They stay as they are, but for
those that are of no use outside Glance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from imgstore.config.glance_options import (
    ANY_DRIVER,
    COMMON,
    DATADIR,
    GLANCE_ONLY,
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
    `ours`: the stores that are imgstore's in Glance already."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    ours: set[str] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        """The new file."""
        yield from (f"# {remark}" for remark in self.remarks)
        for section, options in self.sections.items():
            yield from ("", f"[{section}]", *(f"{name} = {text}" for name, text in options.items()))


def is_old(files: Sequence[Lines]) -> bool:
    """Whether the files are Glance's: they enable backends and no stores."""
    new = any("enabled_stores" in file.get(SECTION, {}) for file in files)
    return not new and any(BACKENDS in file.get("DEFAULT", {}) for file in files)


def translate(files: Sequence[Lines]) -> Translation:
    """What the files say, later ones over earlier ones. Raises ConfigurationError."""
    old = _together(files)
    result = Translation({SECTION: {}})
    stores = dict(_stores(old, result.remarks))
    result.sections[SECTION]["enabled_stores"] = ", ".join(f"{name}:{driver}" for name, driver in stores.items())
    for (section, name), counterpart in OWN.items():
        if name in old.get(section, {}):
            _put(result.sections[SECTION], counterpart, section, name, old[section][name])
    for name, driver in stores.items():
        if _kind(old, name) in OURS:
            result.ours.add(name)
            result.sections[name] = dict(_ours(old.get(name, {}), any_driver=_kind(old, name) == ANY_DRIVER))
            continue
        result.sections[name] = dict(_store(name, driver, old))
        result.remarks.extend(_without_counterpart(name, old.get(name, {}), [driver]))
    result.remarks.extend(_without_counterpart(DEFAULTS, old.get(DEFAULTS, {}), list(OPTIONS)))
    return result


def secrets(file: Lines) -> Iterator[tuple[str, str]]:
    """Section and option of each secret of a store in the file."""
    yield from ((section, name) for section, found in file.items() for name in found if name in SECRETS)


def is_glances(option: str, *, of_ours: bool) -> bool:
    """Whether an option in the section of a store is not ours: a translation has read it, or has remarked it."""
    if of_ours:
        return option in GLANCE_ONLY or option in COMMON or option == "driver"
    return _is_old_option(option)


def _is_old_option(option: str) -> bool:
    return option in COMMON or option.startswith(OTHERS)


def _together(files: Sequence[Lines]) -> dict[str, dict[str, str]]:
    """One text an option: lines for one that is set several times."""
    old: dict[str, dict[str, str]] = {}
    for file in files:
        for section, options in file.items():
            several = {
                name: lines if name == "filesystem_store_datadirs" else lines[-1:] for name, lines in options.items()
            }
            old.setdefault(section, {}).update({name: "\n".join(lines).strip() for name, lines in several.items()})
    return old


def _stores(old: Mapping[str, Mapping[str, str]], remarks: list[str]) -> Iterator[tuple[str, str]]:
    default = old.get("glance_store", {}).get("default_backend")
    for name, kind in pairs(old["DEFAULT"][BACKENDS]):
        driver = old.get(name, {}).get("driver") if kind == ANY_DRIVER else {**STORES, **OURS}.get(kind)
        if driver:
            yield name, driver
        elif name == default or not kind:
            problem = f"the store '{name}' has the type '{kind}', which has no driver here."
            cure = "Write it as in 'fast:file', of type file, s3 or swift; with the type 'imgstore', set its driver."
            raise _refusal("DEFAULT", BACKENDS, problem, cure)
        else:
            remarks.append(f"store {name} is left out: its type '{kind}' has no driver here")


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Identifier and type of each backend."""
    for pair in text.split(","):
        name, _, kind = (part.strip() for part in pair.partition(":"))
        yield name, kind


def _kind(old: Mapping[str, Mapping[str, str]], name: str) -> str:
    return dict(pairs(old["DEFAULT"][BACKENDS]))[name]


def _ours(own: Mapping[str, str], *, any_driver: bool) -> Iterator[tuple[str, str]]:
    """What a store that is imgstore's keeps."""
    for option, text in own.items():
        if option in COMMON:
            yield COMMON[option].name, text
        elif option not in GLANCE_ONLY and not (any_driver and option == "driver"):
            yield option, text


def _store(name: str, driver: str, old: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    shared, own = old.get(DEFAULTS, {}), old.get(name, {})
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
        if any(option in OPTIONS[driver] for driver in drivers) or option in COMMON or not _is_old_option(option):
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


def _refusal(section: str, option: str, problem: str, cure: str) -> ConfigurationError:
    return ConfigurationError(problem, section=section, option=option, cure=cure)
