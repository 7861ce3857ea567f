"""Guards: what is raised inside goes on, as it is or as what it is to become."""

from __future__ import annotations

import pytest

from imgstore.driver.translate import OnFailure


class Translated(Exception):
    """What a guard makes of a ValueError."""


def translate(error: BaseException) -> None:
    if isinstance(error, ValueError):
        raise Translated from error


def test_nothing_raised_nothing_called() -> None:
    seen: list[BaseException] = []
    with OnFailure(seen.append):
        pass
    assert not seen


@pytest.mark.parametrize("raised", [KeyError("k"), KeyboardInterrupt(), GeneratorExit(), StopIteration()])
def test_an_exception_goes_on_as_it_is(raised: BaseException) -> None:
    seen: list[BaseException] = []
    with pytest.raises(type(raised)) as caught, OnFailure(seen.append):
        raise raised
    assert caught.value is raised
    assert seen == [raised]


def test_an_exception_becomes_another_that_names_its_cause() -> None:
    cause = ValueError("v")
    with pytest.raises(Translated) as caught, OnFailure(translate):
        raise cause
    assert caught.value.__cause__ is cause


def test_one_guard_serves_many_blocks_nested_ones_too() -> None:
    seen: list[BaseException] = []
    guard = OnFailure(seen.append)
    with pytest.raises(KeyError), guard, guard:
        raise KeyError
    with guard:
        pass
    assert len(seen) == 2
