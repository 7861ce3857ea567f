"""Stores and store sets: who is asked, who is blamed, and that everything is closed."""

from __future__ import annotations

import dataclasses

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import Attempt
from imgstore.store import Store, StoreSet


def test_default_is_used_where_no_store_is_named() -> None:
    stores = StoreSet([Store("a", MemoryDriver()), Store("b", MemoryDriver())], default="b")
    assert stores.resolve(None).identifier == "b"
    assert stores.resolve("a").identifier == "a"
    assert [store.identifier for store in stores] == ["a", "b"]
    assert len(stores) == 2


@pytest.mark.parametrize("name", ["nope", "", "A", "a ", "x" * 1000])
def test_unknown_store_is_named_shortly(name: str) -> None:
    with pytest.raises(errors.UnknownStore) as caught:
        StoreSet([Store("a", MemoryDriver())], default="a").resolve(name)
    assert caught.value.status == 400
    assert f"'{name[:64]}'" in caught.value.message


def test_duplicate_and_unknown_default_stop_the_start() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"\[imgstore\] enabled_stores: store 'a' is listed twice"):
        StoreSet([Store("a", MemoryDriver()), Store("a", MemoryDriver())], default="a")
    with pytest.raises(errors.ConfigurationError, match=r"\[imgstore\] default_store: store 'b' is not enabled"):
        StoreSet([Store("a", MemoryDriver())], default="b")
    with pytest.raises(errors.ConfigurationError, match="none is set"):
        StoreSet([], default="b")


class Failing(MemoryDriver):
    """Fails as told, in check and in close."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.closed = False

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True
        if self.error is not None:
            raise self.error


def test_check_names_the_store_that_failed() -> None:
    down = StoreSet([Store("a", MemoryDriver()), Store("b", Failing(errors.StoreUnavailable("down")))], default="a")
    with pytest.raises(errors.StoreUnavailable, match="Store 'b': down"):
        down.check()


def test_check_fills_in_the_section_of_a_wrong_option() -> None:
    wrong = errors.ConfigurationError("is not writable.", section="", option="datadir", cure="Create it.")
    with pytest.raises(errors.ConfigurationError) as caught:
        StoreSet([Store("b", Failing(wrong))], default="b").check()
    assert str(caught.value) == "[b] datadir: is not writable. Create it."


def test_every_driver_is_closed_even_if_one_fails() -> None:
    drivers = [Failing(), Failing(OSError(5, "x")), Failing()]
    stores = StoreSet([Store(f"s{n}", driver) for n, driver in enumerate(drivers)], default="s0")
    with pytest.raises(OSError, match="x"):
        stores.close()
    assert [driver.closed for driver in drivers] == [True] * 3


def test_blame_is_not_overwritten() -> None:
    inner, outer = Store("inner", MemoryDriver()), Store("outer", MemoryDriver())
    with pytest.raises(errors.StoreFull) as caught, outer.blamed(), inner.blamed():
        raise errors.StoreFull("x")
    assert caught.value.store == "inner"


def test_values_are_frozen_and_attempts_have_keys() -> None:
    attempt = Attempt("image", 1, "o", "raw", "bare")
    with pytest.raises(dataclasses.FrozenInstanceError):
        attempt.number = 2  # type: ignore[misc]  # the point
    keys = [Attempt("image", number, "o", "raw", "bare").key for number in (1, 2, 3)]
    assert keys == ["image", "image.2", "image.3"]
