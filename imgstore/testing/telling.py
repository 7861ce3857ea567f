"""What a failing law tells: which call on which driver did what instead of what, and where to read about it.

The bench watches its drivers, and the writers and readers that they open. Each call becomes a line of Python, so that
the last ones, or a whole history, can be read and pasted.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, TypeVar

import pytest

from imgstore.driver.base import ObjectReader, ObjectWriter, StoreDriver
from imgstore.driver.signatures import OPTIONAL

GUIDE = "doc/drivers.md"
LAST = 12
"""Calls that a failure shows."""
LONGEST = 300
"""Characters of one value in a line."""

_OWN = ("open_writer", "open_reader", "stat", "delete", "check", "url", "key_from_url", "close")
_OF_DRIVERS = (*_OWN, *(name for each in OPTIONAL for name in vars(each) if not name.startswith("_")))
_WATCHED: tuple[tuple[type, tuple[str, ...]], ...] = (
    (StoreDriver, _OF_DRIVERS),
    (ObjectWriter, ("write", "commit", "abort")),
    (ObjectReader, ("read", "close")),
)
_LEAVING = {"__exit__", "__abort_quietly"}

Watched = TypeVar("Watched", bound="StoreDriver | ObjectWriter | ObjectReader")


@dataclass
class Call:
    """One call: `text` is its Python, `made` the name of what it returned, `note` what that was. `leaving`: the end of
    a `with` made it. `error`: the identity of what it raised, which itself would keep frames alive."""

    text: str
    made: str = ""
    note: str = ""
    raised: str = ""
    error: int = 0
    leaving: bool = False

    def line(self, *, last: bool = False) -> str:
        """The call as a line of a program, which a refusal ends only where it is the last."""
        guard = f"with suppress({self.raised}): " if self.raised and not last else ""
        text = f"{guard}{self.made + ' = ' if self.made else ''}{self.text}"
        return f"{text}  # {self.note}" if self.note else text


class Calls:
    """The calls from outside, in order; those that a driver makes of itself are left out. Used by many threads."""

    def __init__(self) -> None:
        self.made: list[Call] = []
        self.shown = LAST
        self._numbers: dict[str, Iterator[int]] = {}
        self._inside = threading.local()

    def watch(self, thing: Watched, name: str) -> Watched:
        """Writes down every call of `thing` from now on, under that name. It gets a class of its kind for that."""
        kind: type = type(thing)
        thing.__class__ = _watched(kind)
        vars(thing)["_told"] = (self, name)
        return thing

    def opened(self, driver: StoreDriver, name: str, text: str) -> StoreDriver:
        """A driver that the bench opened by `text`, watched."""
        self.made.append(Call(text, made=name, note=type(driver).__name__))
        return self.watch(driver, name)

    def new_name(self, word: str) -> str:
        """driver1, driver2, ..."""
        return f"{word}{next(self._numbers.setdefault(word, itertools.count(1)))}"

    def name_of(self, thing: object) -> str:
        """The name of what is watched."""
        name: str = vars(thing)["_told"][1]
        return name

    def lines(self) -> list[str]:
        """The last calls; one line for those that are the same."""
        shown = self.made[-self.shown :]
        lines = [(call.line(last=call is shown[-1]), 1) for call in shown]
        grouped = [(line, len(list(same))) for line, same in itertools.groupby(lines, key=lambda pair: pair[0])]
        return [line if times == 1 else f"for _ in range({times}): {line}" for line, times in grouped]

    def at_fault(self, error: BaseException) -> str:
        """The call that raised the error or what caused it, else the last that a test made."""
        causes = {id(error), id(error.__cause__)}
        for call in reversed(self.made):
            if call.raised and call.error in causes:
                return call.text
        return next((call.text for call in reversed(self.made) if not call.leaving), "no call")

    def record(self, name: str, method: str, works: Callable[[], Any], text: str) -> Any:
        """Does a call, and writes it down."""
        if getattr(self._inside, "now", False):
            return works()
        call = Call(f"{name}.{method}({text})", leaving=sys._getframe(2).f_code.co_name in _LEAVING)
        self.made.append(call)
        with self._outermost(call):
            found = works()
        call.note = _note(found)
        for kind, word in ((ObjectWriter, "writer"), (ObjectReader, "reader")):
            if isinstance(found, kind):
                call.made = self.new_name(word)
                self.watch(found, call.made)
        return found

    @contextlib.contextmanager
    def _outermost(self, call: Call) -> Iterator[None]:
        self._inside.now = True
        try:
            yield
        except BaseException as error:
            call.raised, call.error = type(error).__name__, id(error)
            call.note = f"{call.raised}: {_short(str(error))}"
            raise
        finally:
            self._inside.now = False


@functools.cache
def _watched(cls: type) -> type[Any]:
    """`cls` with its public methods replaced, the final ones too: a base refuses that at the making of a class only."""
    named = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    watched = type(cls.__name__, (cls,), named)
    for kind, methods in _WATCHED:
        for method in methods if issubclass(cls, kind) else ():
            if callable(works := getattr(cls, method, None)):
                setattr(watched, method, _recorded(method, works))
    return watched


def _recorded(method: str, works: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(works)
    def recorded(self: Any, *given: Any, **named: Any) -> Any:
        calls, name = vars(self)["_told"]
        return calls.record(name, method, lambda: works(self, *given, **named), _arguments(given, named))

    return recorded


def _arguments(given: tuple[Any, ...], named: dict[str, Any]) -> str:
    return ", ".join([*map(_shown, given), *(f"{name}={_shown(value)}" for name, value in named.items())])


def _shown(value: Any) -> str:
    if type(value) in {bytes, bytearray, memoryview} and len(value) > LAST:
        return f"<{len(value)} bytes>"
    return _short(repr(value))


def _note(found: Any) -> str:
    nothing = found is None or isinstance(found, (ObjectWriter, ObjectReader, Iterator))
    return "" if nothing else _shown(found)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


class Laws:
    """A class of laws. Each test of it that fails tells the last calls, and names `READ`, a heading of the guide."""

    READ: ClassVar[str] = "What you implement, and what the base does"

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for name, test in list(vars(cls).items()):
            if name.startswith("test_"):
                setattr(cls, name, _telling(test, Law(name, cls.READ)))


@dataclass(frozen=True)
class Law:
    """A test's name, and the section of the guide that says what it asks for."""

    name: str
    section: str

    def __str__(self) -> str:
        words = self.name.removeprefix("test_").replace("_", " ")
        return f'The law: {words}. Read {GUIDE}, section "{self.section}".'


class Witness:
    """What is known of a test: its calls, its law, whether it failed."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self.calls = Calls()
        self.law = Law("what every test leaves is what it committed", Laws.READ)
        self.failed = False
        self._secrets = secrets

    def masked(self, text: str) -> str:
        """`text` without a credential."""
        for number, secret in enumerate(self._secrets):
            text = text.replace(secret, f"<secret {number}>")
        return text


def _telling(test: Callable[..., None], law: Law) -> Callable[..., None]:
    @functools.wraps(test)
    def told(self: object, *given: Any, **named: Any) -> None:
        __tracebackhide__ = True
        bench: Witness = named["bench"] if "bench" in named else given[0]
        bench.law = law
        with telling(bench):
            test(self, *given, **named)

    return told


class telling:  # noqa: N801 - a context manager, and no generator: contextlib's frames would be in every traceback
    """What fails inside says what the bench knows of it."""

    def __init__(self, bench: Witness) -> None:
        self._bench = bench

    def __enter__(self) -> None:
        """Nothing is to be said yet."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        __tracebackhide__ = True
        if isinstance(error, (Exception, pytest.fail.Exception)):
            bench = self._bench
            bench.failed = True
            raise pytest.fail.Exception(bench.masked(explanation(bench.calls, bench.law, error))) from error


def explanation(calls: Calls, law: Law, error: BaseException) -> str:
    """What the author of a driver reads."""
    did = str(error).partition("\n")[0]
    if not isinstance(error, (AssertionError, pytest.fail.Exception)):
        did = f"{type(error).__name__} was raised instead of a result ({did})"
    head = f"{calls.made[0].note}: {calls.at_fault(error)}: {did}\n{law}\nThe last calls:\n"
    return head + "".join(f"    {line}\n" for line in calls.lines())
