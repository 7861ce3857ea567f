"""Drivers by name, from the entry-point group `imgstore.drivers`.

Only the driver that is named is imported, so that a broken one harms nobody who does not use it. stevedore is asked for
the list and for nothing else: it lets two drivers of one name pass where they are not adjacent in its list, and hands
out a class for an instance that is falsy. One line of ConfigurationError says what cannot work, and the cure (law 11).

What this module refuses to do: choose between two drivers of one name, make an instance, know an option's value.
"""

from __future__ import annotations

import difflib
import inspect
from importlib.metadata import EntryPoint
from typing import Any

from oslo_config import cfg

from imgstore import errors
from imgstore.config.entrypoints import entry_points
from imgstore.config.extras import missing_extra
from imgstore.driver.base import StoreDriver
from imgstore.driver.options import strays

GROUP = "imgstore.drivers"


def driver_names() -> list[str]:
    """The names of all installed drivers, sorted; none of them is imported."""
    return sorted({entry_point.name for entry_point in entry_points(GROUP)})


def driver_class(name: str) -> type[StoreDriver]:
    """The driver of that name. Raises ConfigurationError if there is none, or not one, or if it cannot work."""
    found = _load(_entry_point(name))
    _refuse_other_things(name, found)
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
    except Exception as error:
        raise _bad(
            f"driver '{point.name}' ({point.value}) failed when it was imported: {type(error).__name__}: {error}.",
            "Report it to the driver's author, or use another driver.",
        ) from error


def _import_failure(point: EntryPoint, error: ImportError) -> errors.ConfigurationError:
    extra = missing_extra(point, error)
    if extra is not None:
        return _bad(f"driver '{point.name}' needs the module '{error.name}', which is missing.", _install(extra))
    return _bad(
        f"driver '{point.name}' ({point.value}) cannot be imported: {error}.",
        "Install what is missing, or reinstall the driver's package.",
    )


def _install(requirement: str) -> str:
    return f"Install it: pip install '{requirement}'."


def _refuse_other_things(name: str, found: object) -> None:
    if not isinstance(found, type) or not issubclass(found, StoreDriver):
        raise _author(name, "is not a subclass of imgstore.driver.StoreDriver.")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise _author(name, f"does not implement {missing}.")


def _refuse_bad_options(name: str, found: type[StoreDriver]) -> None:
    """OPTIONS are exactly the keyword parameters of `__init__`, so that no value is lost on the way."""
    if not all(isinstance(option, cfg.Opt) for option in found.OPTIONS):
        raise _author(name, "has OPTIONS that are not options of oslo.config.")
    odd = strays(found)
    if odd:
        raise _author(
            name, f"has OPTIONS that differ from the keyword parameters of __init__: {', '.join(sorted(odd))}."
        )


def _author(name: str, problem: str) -> errors.ConfigurationError:
    return _bad(f"driver '{name}' {problem}", "Report it to the driver's author, or use another driver.")


def _bad(problem: str, cure: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(problem, section="imgstore", option="enabled_stores", cure=cure)
