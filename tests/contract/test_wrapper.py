"""A driver around another one keeps the contract, and can do what the other one can, no more and no less."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.config.registry import driver_class
from imgstore.driver import StoreDriver
from imgstore.driver.capabilities import CopiesObjects, FindsLeftovers, HasPlace, ListsObjects
from imgstore.driver.place import new_mark
from imgstore.driver.signatures import OPTIONAL
from imgstore.driver.wrapper import DriverWrapper
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import ObjectInfo
from imgstore.testing import AtomicCreation, DriverContract, Subject
from tests.contract.subjects import FilesystemSubject


class Wrapped(DriverWrapper):
    """Built by options, as an entry point's driver."""

    OPTIONS = FilesystemDriver.OPTIONS

    def __init__(self, **options: Any) -> None:
        super().__init__(FilesystemDriver(**options))


class Counts(DriverWrapper):
    """Overrides a capability that the wrapped driver has, and one that it lacks."""

    def objects(self) -> Iterator[ObjectInfo]:
        assert isinstance(self.wrapped, ListsObjects)
        return iter([*self.wrapped.objects(), ObjectInfo("counted", 0)])

    def copy(self, source: str, target: str) -> ObjectInfo:
        raise AssertionError(source, target)


class TestWrapped(AtomicCreation, DriverContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return FilesystemSubject(tmp_path, driver=Wrapped, thin_provisioning=False, direct_io="off")


def seen(driver: StoreDriver) -> set[str]:
    """The capabilities that Python 3.12 and newer see: by attributes of the class."""
    members = {
        each.__name__: [name for base in each.__mro__ if base in OPTIONAL for name in vars(base) if name[0] != "_"]
        for each in OPTIONAL
    }
    return {name for name, of in members.items() if all(inspect.getattr_static(driver, one, None) for one in of)}


@pytest.mark.parametrize("name", ["memory", "filesystem"])
def test_a_wrapper_can_do_what_the_wrapped_driver_can(tmp_path: Path, name: str) -> None:
    options = {"datadir": str(tmp_path)} if name == "filesystem" else {}
    wrapped = driver_class(name)(**options)
    wrapper = DriverWrapper(DriverWrapper(wrapped))
    assert [isinstance(wrapper, each) for each in OPTIONAL] == [isinstance(wrapped, each) for each in OPTIONAL]
    assert seen(wrapper) == seen(wrapped) >= {"ListsObjects", "FindsLeftovers"}


def test_an_overridden_capability_is_used_only_where_the_wrapped_driver_has_it() -> None:
    counts = Counts(MemoryDriver())
    assert isinstance(counts, ListsObjects)
    assert [info.key for info in counts.objects()] == ["counted"]
    assert isinstance(counts, FindsLeftovers)
    assert not isinstance(counts, CopiesObjects)


def test_a_wrapped_driver_knows_its_place(tmp_path: Path) -> None:
    wrapper = Wrapped(datadir=str(tmp_path))
    assert isinstance(wrapper, HasPlace)
    wrapper.write_mark(mark := new_mark())
    wrapper.expect_mark(mark)
    wrapper.prove_place()
    wrapper.expect_mark(new_mark())
    with pytest.raises(errors.WrongPlace):
        wrapper.wrapped.open_writer("key")
    wrapper.close()
