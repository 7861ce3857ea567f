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
    laws = getattr(importlib.import_module(module), test)
    told = {each for each in levels.split(", ") if each in {"contract", "atomic", "recoverable"}}
    shown = {"contract"} if issubclass(laws, DriverContract) else set()
    shown |= {"atomic"} if issubclass(laws, DriverContract) and issubclass(laws, AtomicCreation) else set()
    shown |= {"recoverable"} if shown and recovers(driver_of(name, on), laws) else set()
    assert told == shown
