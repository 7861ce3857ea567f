"""The page of known drivers gives each the levels that its tests show."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from imgstore.config.registry import driver_class
from imgstore.driver import ClearsLeftovers, FindsLeftovers, HasPlace, StoreDriver
from imgstore.driver.signatures import hooks
from imgstore.drivers.fsspec import FsspecDriver
from imgstore.testing import AtomicCreation, DriverContract
from imgstore.testing.clearing import ClearingLaws
from imgstore.testing.leftovers import LeftoverLaws

PAGE = (Path(__file__).parents[2] / "doc" / "known-drivers.md").read_text()
ROWS = re.findall(r"(?m)^\| `(\w+)` \| (.*) \| (.*) \| `(tests\.[\w.]+)\.(\w+)` \|$", PAGE)
EXAMPLE = Path(__file__).parents[2] / "examples" / "imgstore-driver-sqlite"
RECOVERING = (FindsLeftovers, ClearsLeftovers, HasPlace)


def driver_of(name: str, on: str) -> type[StoreDriver]:
    """The class; one of fsspec's depends on the filesystem."""
    protocol = re.match(r"`(\w+)://`", on)
    return type(FsspecDriver(url=f"{protocol[1]}://host/images")) if protocol else driver_class(name)


def recovers(driver: type[StoreDriver], laws: type) -> bool:
    """Whether the driver has what recovery needs, and the tests of it."""
    able = all(hasattr(driver, hook) for protocol in RECOVERING for hook in hooks(protocol))
    return able and issubclass(laws, LeftoverLaws) and issubclass(laws, ClearingLaws)


def test_every_driver_that_comes_along_is_there() -> None:
    assert {name for name, *_ in ROWS} == {"filesystem", "s3", "swift", "memory", "fsspec", "glance_store"}


@pytest.mark.parametrize(("name", "on", "levels", "module", "test"), ROWS)
def test_levels_are_what_the_tests_show(name: str, on: str, levels: str, module: str, test: str) -> None:
    assert told(levels) == shown(driver_of(name, on), getattr(importlib.import_module(module), test))


def test_level_of_the_package_among_the_examples_is_what_its_tests_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("src", "tests"):
        monkeypatch.syspath_prepend(EXAMPLE / folder)
    driver = importlib.import_module("imgstore_driver_sqlite").SqliteDriver
    found = re.search(r"(?m)^\| `sqlite` \| .* \| (.*) \| `(\w+)\.(\w+)` of the package \|$", PAGE)
    assert found is not None
    assert told(found[1]) == shown(driver, getattr(importlib.import_module(found[2]), found[3]))


def told(levels: str) -> set[str]:
    """The levels of a row that laws can show."""
    return {each for each in levels.split(", ") if each in {"contract", "atomic", "recoverable"}}


def shown(driver: type[StoreDriver], laws: type) -> set[str]:
    """The levels that the tests show of the driver."""
    if not issubclass(laws, DriverContract):
        return set()
    atomic = {"atomic"} if issubclass(laws, AtomicCreation) else set()
    return {"contract"} | atomic | ({"recoverable"} if recovers(driver, laws) else set())
