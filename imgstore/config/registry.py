"""Drivers by name, from the entry-point group `imgstore.drivers`.

Only the named driver is imported, so a broken driver affects only the stores that use it. stevedore gives the list and
nothing else: it lets two drivers of one name pass if they are not adjacent in its list, and returns a class for an
instance that is falsy. A driver that cannot work is refused in one line, with the cure (right blame).
"""

from __future__ import annotations

import difflib
import inspect
from importlib.metadata import EntryPoint
from typing import Any

from oslo_config import cfg

from imgstore import distribution, errors
from imgstore.config.entrypoints import entry_points
from imgstore.config.extras import missing_extra
from imgstore.config.former_names import absent_name, place_of
from imgstore.config.options import STORE_OPTIONS
from imgstore.driver.base import StoreDriver
from imgstore.driver.options import strays
from imgstore.driver.signatures import OPTIONAL, SPI, misfits

GROUP = distribution.DRIVERS


def driver_names() -> list[str]:
    """The names of all installed drivers, sorted; none of them is imported."""
    return sorted({entry_point.name for entry_point in entry_points(GROUP)})


def driver_class(name: str) -> type[StoreDriver]:
    """The driver of that name. Raises ConfigurationError if there is none, or not one, or if it cannot work."""
    found = _load(_entry_point(name))
    _refuse_other_things(name, found)
    _refuse_another_spi(name, found)
    _refuse_bad_options(name, found)
    return found  # type: ignore[no-any-return] # just proved to be a subclass of StoreDriver


def suggestion(word: str, known: list[str]) -> str:
    """A question naming what may have been meant, or nothing."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"Did you mean '{by_lower[close[0]]}'?" if close else ""


def _entry_point(name: str) -> EntryPoint:
    """The entry point of that name; the same one in two metadata folders of a distribution is one."""
    found = {point.value: point for point in entry_points(GROUP) if point.name == name}
    if not found:
        known = driver_names()
        raise _bad(
            f"driver '{name}' is not installed. {suggestion(name, known)}",
            f"Use one of: {', '.join(known)}; or install the package that has it.",
        )
    if len(found) > 1:
        raise _bad(
            f"driver '{name}' is installed more than once: {', '.join(sorted(found))}.",
            "Uninstall the packages whose driver is not wanted.",
        )
    return next(iter(found.values()))


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except ImportError as error:
        raise _import_failure(point, error) from error
    except (Exception, SystemExit) as error:
        raise _bad(
            f"driver '{point.name}' ({point.value}) failed when it was imported: {type(error).__name__}: {error}.",
            "Report it to the driver's author, or use another driver.",
        ) from error


def _import_failure(point: EntryPoint, error: ImportError) -> errors.ConfigurationError:
    absent = absent_name(point.module, error)
    if absent is not None and not distribution.conflict():
        return author_error(
            point.name,
            f"({point.value}) was built for another version of imgstore: version {distribution.version()} (SPI {SPI}) "
            f"has no {absent}. What it was is now in {place_of(absent)}.",
        )
    extra = missing_extra(point, error)
    if extra is not None:
        return _bad(
            f"driver '{point.name}' needs the module '{error.name}', which is missing.", distribution.install(extra)
        )
    return _bad(
        f"driver '{point.name}' ({point.value}) cannot be imported: {error}.",
        f"Install what is missing, or reinstall the driver's package. {distribution.conflict()}".rstrip(),
    )


def _refuse_other_things(name: str, found: object) -> None:
    if not isinstance(found, type) or not issubclass(found, StoreDriver):
        raise author_error(name, "is not a subclass of imgstore.driver.StoreDriver.")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise author_error(name, f"does not implement {missing}.")


def _refuse_another_spi(name: str, found: type[StoreDriver]) -> None:
    """Today, in one line, and not at the first upload as a store that seems to be down."""
    changes = misfits(found, StoreDriver, optional=OPTIONAL)
    if changes:
        raise author_error(name, f"does not fit SPI {SPI} of imgstore: {'; '.join(changes)}.")


def _refuse_bad_options(name: str, found: type[StoreDriver]) -> None:
    """OPTIONS are exactly the keyword parameters of `__init__`, so that no value is lost on the way, and none of those
    that every store has."""
    try:
        options = tuple(found.OPTIONS)
    except Exception as error:
        raise author_error(name, f"has OPTIONS that cannot be read ({type(error).__name__}).") from error
    if not all(isinstance(option, cfg.Opt) for option in options):
        raise author_error(name, "has OPTIONS that are not options of oslo.config.")
    odd = strays(found)
    if odd:
        raise author_error(
            name, f"has OPTIONS that differ from the keyword parameters of __init__: {', '.join(sorted(odd))}."
        )
    common = {option.dest for option in STORE_OPTIONS} & {option.dest for option in options}
    if common:
        raise author_error(name, f"has options that every store has: {', '.join(sorted(common))}.")


def author_error(name: str, problem: str) -> errors.ConfigurationError:
    """A refusal that the driver's author has to mend."""
    return _bad(f"driver '{name}' {problem}", "Report it to the driver's author, or use another driver.")


def _bad(problem: str, cure: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(problem, section="imgstore", option="enabled_stores", cure=cure)
