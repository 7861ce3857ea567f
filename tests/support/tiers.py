"""Which tests start a process or a server: found by reading what a test and its fixtures call, so nobody has to say it.

The search follows names through the functions and classes of this repository's tests and benchmarks. It may take a test
for one that starts something, never the other way round unnoticed: in `make check` a `Guard` fails what was missed.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import types
from collections.abc import Iterator

import pytest

OURS = ("tests.", "bench.", "test_", "imgstore.testing.")
PROCESSES = frozenset({"subprocess", "Popen", "multiprocessing", "fork", "create_server", "bind", "getfixturevalue"})
"""Names that only a function which starts something has, or may have started by a fixture that nobody knows before."""
SERVERS = frozenset({"cheroot", "uvicorn", "socketserver"})
"""Packages whose classes listen."""
EVENTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.bind"})
"""What Python's audit hooks are told when a process is started, or a socket is about to listen."""
PLAIN = (str, bytes, int, float, type(None))
"""Parameters of these types start nothing."""
DATABASES = "tests.support.database_fixtures"
"""Its fixtures start the server that the parameter says, and a parameter that needs a server is marked with it."""
BUILT_IN = frozenset({"tmp_path_factory", "pytestconfig", "record_testsuite_property"})


class Search:
    """Everything that a test may reach: functions by their names, methods by the names that any of them has."""

    def __init__(self) -> None:
        self.starts = False
        self._names: frozenset[str] = frozenset()
        self._classes: set[type] = set()
        self._seen: set[types.FunctionType] = set()

    def add(self, value: object) -> None:
        """Follows whatever a name stands for."""
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            for each in (*value, *value.values()) if isinstance(value, dict) else value:
                self.add(each)
        elif isinstance(value, functools.partial):
            self.add(value.func)
        elif isinstance(value, types.MethodType):
            self.add([value.__func__, type(value.__self__)])
        elif isinstance(value, type):
            self._add_class(value)
        elif callable(value) and isinstance(function := inspect.unwrap(value), types.FunctionType):
            self._add_function(function)
        else:
            self._add_class(type(value))

    def _add_class(self, found: type) -> None:
        self.starts |= any(base.__module__.partition(".")[0] in SERVERS for base in found.__mro__)
        for base in found.__mro__:
            if _is_ours(base) and base not in self._classes:
                self._classes.add(base)
                self._add_methods(base, self._names)

    def _add_methods(self, owner: type, names: frozenset[str]) -> None:
        for name, method in _methods(owner):
            if name in names or name in _called_from_elsewhere(owner):
                self._add_function(method)

    def _add_function(self, function: types.FunctionType) -> None:
        if self.starts or function in self._seen or not _is_ours(function):
            return
        self._seen.add(function)
        names, values = _named(function)
        self.starts = not names.isdisjoint(PROCESSES)
        new, self._names = names - self._names, names | self._names
        for owner in list(self._classes):
            self._add_methods(owner, new)
        self.add(values)


def starts_something(item: pytest.Function) -> bool:
    """Whether the test, or a fixture of it, may start a process or listen."""
    if item.get_closest_marker("needs"):
        return True
    functions = {each.func for found in _fixtures(item).values() for each in found}
    reached = frozenset({item.function, *(function for function in functions if function.__module__ != DATABASES)})
    params = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return _starts(reached, tuple(each for each in params if not isinstance(each, PLAIN)))


def _starts(functions: frozenset[object], params: tuple[object, ...]) -> bool:
    if not params or _functions_start(functions):
        return _functions_start(functions)
    search = Search()
    search.add([*functions, *params])
    return search.starts


@functools.cache
def _functions_start(functions: frozenset[object]) -> bool:
    search = Search()
    search.add(functions)
    return search.starts


def group(item: pytest.Function) -> str | None:
    """The module, where its tests share more than the module's code: they run in one process then."""
    scopes = {found[-1].scope for name, found in _fixtures(item).items() if name not in BUILT_IN}
    return None if scopes <= {"function"} else item.nodeid.partition("::")[0]


def _fixtures(item: pytest.Function) -> dict[str, tuple[pytest.FixtureDef[object], ...]]:
    # pytest has no public way from a test to the functions of its fixtures.
    return {name: tuple(found) for name, found in item._fixtureinfo.name2fixturedefs.items()}


class Guard:
    """Fails a test that starts a process or listens while this is armed. There is one: an audit hook is for ever."""

    def __init__(self) -> None:
        self._armed = False
        sys.addaudithook(self._hear)

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """Inside, it fails tests."""
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._armed and event in EVENTS:
            pytest.fail(f"{event} in a test of `make check`: mark it with pytest.mark.server")


@functools.cache
def _named(function: types.FunctionType) -> tuple[frozenset[str], list[object]]:
    """All names in the function's code, and what the global ones stand for."""
    names = frozenset(name for code in _codes(function.__code__) for name in (*code.co_names, *code.co_freevars))
    scope = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    values = [scope[name] for name in names if name in scope]
    modules = [value for value in values if isinstance(value, types.ModuleType) and _is_ours(value)]
    return names, values + [vars(module)[name] for module in modules for name in names if name in vars(module)]


@functools.cache
def _methods(owner: type) -> list[tuple[str, types.FunctionType]]:
    """Plain ones, and those inside properties, class methods and the like."""
    return [
        (name, inspect.unwrap(part))
        for name, member in vars(owner).items()
        for part in (member, *(getattr(member, each, None) for each in ("fget", "__func__", "func")))
        if isinstance(part, types.FunctionType)
    ]


@functools.cache
def _is_ours(value: object) -> bool:
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return isinstance(name, str) and name.startswith(OURS)


@functools.cache
def _called_from_elsewhere(owner: type) -> frozenset[str]:
    """Methods that Python itself calls, or a base class that is not of this repository's tests."""
    theirs = {name for base in owner.__mro__ if not _is_ours(base) for name in vars(base)}
    return frozenset(name for name, _ in _methods(owner) if name.startswith("__") or name in theirs)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
