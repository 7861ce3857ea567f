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
from collections.abc import Iterable, Iterator

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
HEAVY = {"keystone": "keystone", "keystone_swift": "keystone", "rgw": "rgw", "whole_house": "glance"}
"""Fixtures whose servers take long to start: their tests are one group, whatever their modules."""
BUILT_IN = frozenset({"tmp_path_factory", "pytestconfig", "record_testsuite_property"})


class Search:
    """Everything that a test may reach: functions by their names, methods by the names that any of them has."""

    def __init__(self) -> None:
        self.starts = False
        self._names: set[str] = set()
        self._classes: set[type] = set()
        self._seen: set[types.FunctionType] = set()
        self._waiting: list[types.FunctionType] = []

    def add(self, value: object) -> None:
        """Follows whatever a name stands for."""
        self._reach(*_targets(value))
        while self._waiting and not self.starts:
            self._follow(self._waiting.pop())

    def _reach(self, functions: frozenset[types.FunctionType], classes: frozenset[type]) -> None:
        self._waiting += functions - self._seen
        self._seen |= functions
        for found in classes - self._classes:
            self._classes.add(found)
            self.starts |= found.__module__.partition(".")[0] in SERVERS
            self._reach_methods(found, self._names | _called_from_elsewhere(found))

    def _follow(self, function: types.FunctionType) -> None:
        names, functions, classes = _named(function)
        self.starts |= function in STARTING or not names.isdisjoint(PROCESSES)
        new = names - self._names
        self._names |= new
        for owner in self._classes:
            self._reach_methods(owner, new)
        self._reach(functions, classes)

    def _reach_methods(self, owner: type, names: set[str] | frozenset[str]) -> None:
        methods = _methods(owner)
        for name in methods.keys() & names:
            self._waiting += methods[name] - self._seen
            self._seen |= methods[name]


STARTING: set[types.FunctionType] = set()
"""Functions that are known to start something, so that no other search follows them again."""


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
    if len(functions) > 1 and any(_functions_start(frozenset({each})) for each in functions):
        return True
    search = Search()
    search.add(functions)
    if search.starts and len(functions) == 1:
        STARTING.update(_targets(functions)[0])
    return search.starts


def group(item: pytest.Function) -> str | None:
    """The module, where its tests share more than the module's code, or the server: they run in one process then."""
    for name in HEAVY.keys() & set(item.fixturenames):
        return HEAVY[name]
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


Targets = tuple[frozenset[types.FunctionType], frozenset[type]]


@functools.cache
def _named(function: types.FunctionType) -> tuple[frozenset[str], frozenset[types.FunctionType], frozenset[type]]:
    """All names in the function's code, and what the global ones stand for."""
    names = frozenset(name for code in _codes(function.__code__) for name in (*code.co_names, *code.co_freevars))
    scope = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    values = [scope[name] for name in names if name in scope]
    modules = [value for value in values if isinstance(value, types.ModuleType) and _is_ours(value)]
    values += [vars(module)[name] for module in modules for name in names if name in vars(module)]
    return (names, *_targets(values))


def _targets(value: object) -> Targets:
    """The functions and classes of this repository's tests that a value has or is, and classes that listen."""
    if isinstance(value, PLAIN):
        return frozenset(), frozenset()
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return _merged(_targets(each) for each in ((*value, *value.values()) if isinstance(value, dict) else value))
    if isinstance(value, functools.partial):
        return _targets(value.func)
    if isinstance(value, types.MethodType):
        return _targets([value.__func__, type(value.__self__)])
    if isinstance(value, type):
        return frozenset(), _bases(value)
    if callable(value) and isinstance(function := inspect.unwrap(value), types.FunctionType):
        return frozenset({function} if _is_ours(function) else ()), frozenset()
    owner: type = type(value)
    return frozenset(), _bases(owner)


def _merged(found: Iterable[Targets]) -> Targets:
    parts = list(found)
    return frozenset().union(*(each[0] for each in parts)), frozenset().union(*(each[1] for each in parts))


@functools.cache
def _bases(found: type) -> frozenset[type]:
    return frozenset(base for base in found.__mro__ if _is_ours(base) or base.__module__.partition(".")[0] in SERVERS)


@functools.cache
def _methods(owner: type) -> dict[str, set[types.FunctionType]]:
    """Plain ones, and those inside properties, class methods and the like."""
    found: dict[str, set[types.FunctionType]] = {}
    for name, member in vars(owner).items() if _is_ours(owner) else ():
        for part in (member, *(getattr(member, each, None) for each in ("fget", "__func__", "func"))):
            if isinstance(part, types.FunctionType):
                found.setdefault(name, set()).update(_targets(part)[0])
    return found


@functools.cache
def _is_ours(value: object) -> bool:
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return isinstance(name, str) and name.startswith(OURS)


@functools.cache
def _called_from_elsewhere(owner: type) -> frozenset[str]:
    """Methods that Python itself calls, or a base class that is not of this repository's tests."""
    theirs = {name for base in owner.__mro__ if not _is_ours(base) for name in vars(base)}
    return frozenset(name for name in _methods(owner) if name.startswith("__") or name in theirs)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
