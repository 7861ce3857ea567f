"""Calls of a host's object. A failure says which call did what instead of what, and where the law is written."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any, NoReturn, TypeVar

import pytest

from imgstore import errors
from imgstore.model import Attempt, Location, UploadRequest, UploadResult

DOCUMENT = "doc/prove-your-host.md"
LONGEST = 60

Value = TypeVar("Value")


def shown(value: object) -> str:
    """A value in few words."""
    if isinstance(value, Attempt):
        return f"attempt {value.number} of {value.image_id!r}"
    if isinstance(value, UploadRequest):
        return f"an upload of {value.image_id!r}"
    if isinstance(value, UploadResult):
        return f"{value.size} bytes in {_stores(value.locations)}"
    if isinstance(value, (list, tuple)) and any(isinstance(each, Location) for each in value):
        return f"locations in {_stores(value)}"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _stores(locations: Any) -> str:
    return ", ".join(location.store for location in locations)


def told(error: BaseException) -> str:
    """An exception in few words."""
    return f"{type(error).__name__}: {str(error)[:200]}"


class Calls:
    """A host's object, whose methods are called by name; `section` of the document says what they must do."""

    def __init__(self, thing: object, section: str) -> None:
        self.thing = thing
        self._section = section
        self._name = type(thing).__qualname__.rpartition("<locals>.")[2]

    def value(self, method: str, *given: object, **named: object) -> Any:
        """What the call returns. It may raise nothing."""
        outcome = self.outcome(method, *given, **named)
        if isinstance(outcome, errors.ImgstoreError):
            self._blame(self._call(method, given, named), f"raised {told(outcome)}", "returning", outcome)
        return outcome

    def outcome(self, method: str, *given: object, **named: object) -> Any:
        """What the call returns, or the error of the library's that it raises. It may raise nothing else."""
        with self._only_errors_of_the_library(self._call(method, given, named)):
            try:
                return getattr(self.thing, method)(*given, **named)
            except errors.ImgstoreError as error:
                return error

    def gives(self, kind: type[Value], method: str, *given: object, **named: object) -> Value:
        """What the call returns, which is a `kind`."""
        value = self.value(method, *given, **named)
        if not isinstance(value, kind):
            self._blame(self._call(method, given, named), f"returned {_dropped(value)}", f"a value of {kind.__name__}")
        return value

    def returns(self, wanted: object, method: str, *given: object, **named: object) -> None:
        """The call returns exactly that: True, False or None."""
        value = self.value(method, *given, **named)
        if value is not wanted:
            self._blame(self._call(method, given, named), f"returned {_dropped(value)}", repr(wanted))

    def refuses(self, kind: type[errors.ImgstoreError], method: str, *given: object, **named: object) -> None:
        """The call raises that error."""
        outcome = self.outcome(method, *given, **named)
        if not isinstance(outcome, kind):
            did = f"raised {told(outcome)}" if isinstance(outcome, BaseException) else f"returned {_dropped(outcome)}"
            self._blame(self._call(method, given, named), did, f"raising {kind.__name__}")

    def fail(self, did: str, instead_of: str) -> NoReturn:
        """Fails the test for something that no single call did."""
        self._blame(self._name, did, instead_of)

    def must(self, *, be: bool, did: str, instead_of: str) -> None:
        """Fails the test unless it is so."""
        if not be:
            self.fail(did, instead_of)

    def _call(self, method: str, given: tuple[object, ...], named: dict[str, object]) -> str:
        arguments = [shown(value) for value in given] + [f"{name}={shown(value)}" for name, value in named.items()]
        return f"{self._name}.{method}({', '.join(arguments)})"

    @contextlib.contextmanager
    def _only_errors_of_the_library(self, call: str) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            stack.push(lambda kind, error, trace: self._foreign(call, error))
            yield

    def _foreign(self, call: str, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._blame(call, f"raised {told(error)}", "returning, or raising an error of imgstore.errors", error)

    def _blame(self, who: str, did: str, instead_of: str, cause: BaseException | None = None) -> NoReturn:
        message = f"{who} {did} instead of {instead_of}. Read {DOCUMENT}#{self._section}"
        raise pytest.fail.Exception(message, pytrace=True) from cause


def _dropped(value: object) -> str:
    """A value that should have been another, in few words. A coroutine is closed, since nobody will await it."""
    if inspect.iscoroutine(value):
        value.close()
        return "a coroutine"
    return shown(value)
