"""The layer rule, read from the source: imports lead to lower floors only, and each kind of knowledge has one home.

`problems` reads the package or a copy of it: the real one has none, and for each rule a broken copy has one.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

IMGSTORE = Path(__file__).parent.parent / "imgstore"
LONGEST = 300

FLOORS = (
    {"words"},
    {"driver"},
    {"store"},
    {
        "transfers",
        "drivers.memory",
        "drivers.filesystem",
        "drivers.s3",
        "drivers.swift",
        "drivers.glance_store",
        "drivers.fsspec",
        "drivers",
    },
    {"config", "http", "observers", "sql", "hosting", "proving"},
    {"adapters", "glance", "service.server", "service.auth", "service.cleanup"},
    {"service.api"},
    {"service"},
    {"cli"},
)
WORDS = {
    "errors", "connections", "model", "limits", "quota", "catalog", "undo", "distribution", "supervised", "bulkhead",
    "side_by_side", "host_answers", "first_failure", "file_spans",
}  # fmt: skip
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}
CORE = {part for part, number in FLOOR.items() if number <= FLOOR["store"]} - {"driver"}
BESIDE = {"": "transfers", "testing": "hosting", "__main__": "cli"}
"""Parts that stand beside the house, and the highest floor that they see; "" is `imgstore/__init__.py`."""
WHOLE = {"adapters", "sql", "cli", "testing"}
"""Rooms whose folders are not looked at one by one."""

HOMES = {
    "stevedore": {"config"},
    "sqlalchemy": {"sql"},
    "sqlite3": {"sql"},
    "psycopg": {"sql"},
    "alembic": {"sql"},
    "falcon": {"service.api"},
    "cheroot": {"service.server"},
    "keystoneauth1": {"service.auth", "drivers.swift"},
    "keystonemiddleware": {"service.auth"},
    "oslo_context": {"service.auth"},
    "oslo_policy": {"service.auth"},
    "oslo_limit": {"service.auth"},
    "openstack": {"service.auth"},
    "prometheus_client": {"observers", "service"},
    "opentelemetry": {"observers"},
    "jsonpatch": {"service.api"},
    "jsonpointer": {"service.api"},
    "boto3": {"drivers.s3"},
    "botocore": {"drivers.s3"},
    "urllib3": {"driver", "drivers.s3", "drivers.swift"},
    "awscrt": {"drivers.s3"},
    "cliff": {"cli"},
    "rich": {"cli"},
    "pytest": {"testing"},
    "h11": {"testing"},
    "hypothesis": {"testing"},
    "oslo_utils": {"transfers"},
    "oslo_config": {"driver", "config", "drivers", "glance", "service", "service.auth", "cli"},
    "swiftclient": {"drivers.swift"},
    "glance_store": {"drivers.glance_store", "glance"},
    "fsspec": {"drivers.fsspec"},
    "requests": {"drivers.swift"},
    "webob": {"glance"},
    "http": {"http", "adapters", "service", "testing"},
    "wsgiref": {"adapters", "service"},
}
"""Who may import what. The rest of the standard library is for all; of others nothing else comes in."""

KNOWS_CONFIGURATION = {"config", "drivers.glance_store"}
"""Who makes a ConfigOpts: the drivers of glance_store want one."""

TYPING_ONLY = {"typing_extensions", "_typeshed", "oslo_config", "types_boto3_s3"}
"""What any part may import under TYPE_CHECKING, where nothing is loaded."""

HTTP_HOMES = {"http", "adapters", "glance", "service", "drivers", "testing"}
"""Drivers are here because some speak HTTP to their storage, the contracts because they are a host's client."""
HTTP_WORDS = {
    "content-range", "content-length", "content-type", "content-md5", "content-encoding", "transfer-encoding",
    "accept-ranges", "if-none-match", "if-range", "if-match", "retry-after", "www-authenticate",
    "x-image-meta-store", "x-openstack-image-size", "x-openstack-request-id", "application/octet-stream",
    "repr-digest", "content-digest",
}  # fmt: skip


RECOVERING = {
    "take_back", "abandon_uploads", "remove_data", "remove_leftover", "clear_leftovers", "write_epoch", "LeaseKeeper",
}  # fmt: skip
"""What the reference service leaves to `imgstore.hosting`, as any other host does."""


@dataclass(frozen=True)
class Module:
    """One file: its dotted name, the part of the house that it is in, its source."""

    name: str
    part: str
    source: str


@dataclass(frozen=True)
class Import:
    """One name that is imported, absolute; `typing_only` where nothing is loaded."""

    name: str
    typing_only: bool


@functools.cache
def sources() -> dict[str, str]:
    """The package as it is: source by path."""
    return {path.relative_to(IMGSTORE).as_posix(): path.read_text() for path in sorted(IMGSTORE.rglob("*.py"))}


def problems(package: Mapping[str, str]) -> list[str]:
    """What in `package`, source by path, breaks the rule, one line each."""
    modules = [_module(path, source) for path, source in package.items()]
    parts = _parts(frozenset((module.name, module.part) for module in modules))
    found = [f"{module.name} {problem}" for module in modules for problem in _problems_of(module, parts)]
    return [*found, *_circles(modules, parts)]


def _module(path: str, source: str) -> Module:
    file = PurePosixPath(path).with_suffix("").parts
    inner = file[:-1] if file[-1] == "__init__" else file
    return Module(".".join(("imgstore", *inner)), _part(file), source)


def _part(file: tuple[str, ...]) -> str:
    """The room, or the wing of a room, that a file is in: at most two components of its path."""
    if file == ("__init__",) or file[0] in WORDS:
        return file[0].replace("__init__", "") and "words"
    is_in_wing = len(file) > 2 or (file[0] == "drivers" and file[-1] != "__init__")
    return ".".join(file[:2]) if is_in_wing and file[0] not in WHOLE else file[0]


class _Parts:
    """The part of each module."""

    def __init__(self, parts: Mapping[str, str]) -> None:
        self._parts = parts

    def of(self, name: str) -> str:
        """The part that an imported name is in."""
        return self._parts[self.module_of(name)]

    def module_of(self, name: str) -> str:
        """The module that an imported name is, or is in."""
        while name not in self._parts:
            name = name.rpartition(".")[0]
        return name


@functools.cache
def _parts(names: frozenset[tuple[str, str]]) -> _Parts:
    """One object for the same names, so that what was found with it is found once."""
    return _Parts(dict(names))


def _circles(modules: Sequence[Module], parts: _Parts) -> Iterator[str]:
    """Modules that import each other, be it for types only, in whatever number of steps."""
    below = {module.name: _imported(module, parts) for module in modules}
    while leaves := {name for name, imported in below.items() if not imported & below.keys()}:
        below = {name: imported for name, imported in below.items() if name not in leaves}
    while roots := below.keys() - set().union(*below.values()):
        below = {name: imported for name, imported in below.items() if name not in roots}
    if below:
        yield f"{min(below)} is in a circle of imports: {', '.join(sorted(below))}"


@functools.cache
def _imported(module: Module, parts: _Parts) -> frozenset[str]:
    names = {found.name for found in _imports(module) if found.name.split(".")[0] == "imgstore"}
    return frozenset(parts.module_of(name) for name in names) - {module.name}


@functools.cache
def _problems_of(module: Module, parts: _Parts) -> tuple[str, ...]:
    """Kept, since a broken copy differs from the package in one module."""
    return tuple(_find(module, parts))


def _find(module: Module, parts: _Parts) -> Iterator[str]:
    lines = module.source.count("\n")
    if lines > LONGEST:
        yield f"has {lines} lines"
    if module.part not in FLOOR and module.part not in BESIDE:
        yield "is on no floor"
        return
    for found in _imports(module):
        yield from _misplaced(module, found, parts)
    yield from _misplaced_words(module)


@functools.cache
def _imports(module: Module) -> tuple[Import, ...]:
    return tuple(_find_imports(_nodes(module)))


@functools.cache
def _nodes(module: Module) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(parsed(module.source)))


@functools.cache
def parsed(source: str) -> ast.Module:
    """The tree of a module, which other tests want too."""
    return ast.parse(source)


def _find_imports(nodes: Sequence[ast.AST]) -> Iterator[Import]:
    unloaded = {
        inner
        for node in nodes
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node in unloaded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (Import(f"{base}.{alias.name}", node in unloaded) for alias in node.names)


def _misplaced(module: Module, found: Import, parts: _Parts) -> Iterator[str]:
    top = found.name.partition(".")[0]
    if top == "":
        yield f"imports {found.name}, which is relative"
    elif top == "imgstore":
        yield from _misplaced_part(module, parts.of(found.name))
    elif not _may_come_in(module.part, found, top):
        yield f"imports {top}"


def _misplaced_part(module: Module, part: str) -> Iterator[str]:
    """A part sees what is below it. Drivers and what stands beside the house are seen by themselves alone, except ""
    from above it."""
    if part == module.part:
        return
    if part.startswith("drivers") or (part in BESIDE and part):
        yield f"imports {part}"
    elif part and part not in FLOOR:
        yield f"imports {part}, which is on no floor"
    elif FLOOR[part or BESIDE[""]] > _sees(module.part) or (not part and module.part in BESIDE):
        yield f"imports {part or 'imgstore'}, which is not below it"


def _sees(part: str) -> int:
    return FLOOR[BESIDE[part]] if part in BESIDE else FLOOR[part] - 1


def _may_come_in(part: str, found: Import, top: str) -> bool:
    if found.typing_only and top in TYPING_ONLY:
        return True
    if part in CORE or top not in HOMES:
        return top in sys.stdlib_module_names and top not in HOMES
    return not HOMES[top].isdisjoint({part, part.partition(".")[0]})


def _misplaced_words(module: Module) -> Iterator[str]:
    annotations = {inner for node in _nodes(module) for part in _annotations(node) for inner in ast.walk(part)}
    for node in _nodes(module):
        word = _word(node)
        if word in {"import_module", "__import__"}:
            yield f"hides an import from this test: {word}"
        if word in RECOVERING and module.part.startswith("service"):
            yield f"recovers by itself: {word}"
        if word == "ConfigOpts" and node not in annotations and module.part not in KNOWS_CONFIGURATION:
            yield "knows ConfigOpts"
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if text.lower() in HTTP_WORDS and module.part.partition(".")[0] not in HTTP_HOMES:
            yield f"knows {text}"


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    for field in ("annotation", "returns"):
        part = getattr(node, field, None)
        if isinstance(part, ast.AST):
            yield part


def _word(node: ast.AST) -> str | None:
    if isinstance(node, ast.alias):
        return node.name.split(".")[-1]
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def test_the_house_keeps_its_floors() -> None:
    assert problems(sources()) == []


def test_no_part_is_on_two_floors() -> None:
    assert sum(map(len, FLOORS)) == len(FLOOR)
    assert not FLOOR.keys() & BESIDE.keys()


pytestmark = pytest.mark.xdist_group("layers")  # they walk the package once


LOW = "which is not below it"


@pytest.mark.parametrize(
    ("file", "code", "problem"),
    [
        ("model.py", "import imgstore.driver", f"model imports driver, {LOW}"),
        ("driver/writer.py", "from imgstore.transfers.upload import X", f"driver.writer imports transfers, {LOW}"),
        ("driver/writer.py", "from imgstore.transfers import upload", f"driver.writer imports transfers, {LOW}"),
        (
            "quota.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from imgstore.transfers.digests import Digests",
            f"quota imports transfers, {LOW}",
        ),
        ("quota.py", "def late():\n    import imgstore.store", f"quota imports store, {LOW}"),
        ("http/data.py", "from imgstore import config", f"http.data imports config, {LOW}"),
        ("driver/base.py", "from imgstore import UploadService", f"driver.base imports imgstore, {LOW}"),
        ("store.py", "from . import upload", "store imports ..upload, which is relative"),
        ("config/load.py", "from imgstore.drivers.memory import MemoryDriver", "config.load imports drivers.memory"),
        ("drivers/s3/copy.py", "from imgstore.drivers.swift import copy", "drivers.s3.copy imports drivers.swift"),
        ("drivers/memory.py", "from imgstore.config import registry", f"drivers.memory imports config, {LOW}"),
        ("transfers/upload.py", "from imgstore.testing import DriverContract", "transfers.upload imports testing"),
        ("testing/bench.py", "from imgstore.adapters import wsgi", f"testing.bench imports adapters, {LOW}"),
        ("testing/bench.py", "from imgstore.drivers import memory", "testing.bench imports drivers"),
        ("__init__.py", "from imgstore import config", f" imports config, {LOW}"),
        ("service/auth/policy.py", "import imgstore.service.api", f"service.auth.policy imports service.api, {LOW}"),
        ("service/api/copies.py", "import imgstore.service.assembly", f"service.api.copies imports service, {LOW}"),
        ("service/server/tls.py", "from imgstore.service import auth", "service.server.tls imports service.auth"),
        ("sql/clock.py", "from imgstore import http", f"sql.clock imports http, {LOW}"),
        ("hosting/keeper.py", "from imgstore import sql", f"hosting.keeper imports sql, {LOW}"),
        ("sql/clock.py", "from imgstore import hosting", f"sql.clock imports hosting, {LOW}"),
        ("service/assembly.py", "self.catalog.take_back(dead)", "service.assembly recovers by itself: take_back"),
        ("service/watch.py", "remove_data(store, key)", "service.watch recovers by itself: remove_data"),
        ("service/assembly.py", "from imgstore.cli import main", f"service.assembly imports cli, {LOW}"),
        ("drivers/s3/copy.py", "import swiftclient", "drivers.s3.copy imports swiftclient"),
        ("http/data.py", "import stevedore", "http.data imports stevedore"),
        ("driver/options.py", "from oslo_config.cfg import ConfigOpts", "driver.options knows ConfigOpts"),
        ("drivers/memory.py", "conf = cfg.ConfigOpts()", "drivers.memory knows ConfigOpts"),
        ("config/load.py", "import sqlalchemy.orm", "config.load imports sqlalchemy"),
        ("service/api/app.py", "import sqlite3", "service.api.app imports sqlite3"),
        ("service/metrics.py", "import falcon", "service.metrics imports falcon"),
        ("adapters/wsgi.py", "import falcon", "adapters.wsgi imports falcon"),
        ("http/data.py", "from cheroot import wsgi", "http.data imports cheroot"),
        ("http/data.py", "import pytest", "http.data imports pytest"),
        ("transfers/upload.py", "from http import HTTPStatus", "transfers.upload imports http"),
        ("store.py", "import typing_extensions", "store imports typing_extensions"),
        ("service/api/app.py", "import rich", "service.api.app imports rich"),
        ("adapters/wsgi.py", "from cliff import app", "adapters.wsgi imports cliff"),
        ("service/api/app.py", "import httpx", "service.api.app imports httpx"),
        ("transfers/upload.py", "RANGE = 'Content-Range'", "transfers.upload knows Content-Range"),
        ("store.py", "importlib.import_module('x')", "store hides an import from this test: import_module"),
        ("store.py", "__import__('x')", "store hides an import from this test: __import__"),
        ("novelty.py", "x = 1", "novelty is on no floor"),
        ("novelty/deep.py", "x = 1", "novelty.deep is on no floor"),
        ("service/novelty/deep.py", "x = 1", "service.novelty.deep is on no floor"),
        ("limits.py", "\n" * LONGEST, "limits has "),
        (
            "model.py",
            "import imgstore.quota",
            "host_answers is in a circle of imports: imgstore.host_answers, imgstore.model, imgstore.quota",
        ),
        (
            "http/ranges.py",
            "if TYPE_CHECKING:\n    from imgstore.http.data import ImageData",
            "http.data is in a circle of imports: imgstore.http.data, imgstore.http.ranges",
        ),
    ],
)
def test_a_broken_copy_is_noticed(file: str, code: str, problem: str) -> None:
    package = sources()
    found = problems({**package, file: f"{package.get(file, '')}\n{code}\n"})  # the package itself has none
    told = [line.removeprefix("imgstore").removeprefix(".") for line in found]
    expected = [line for line in told if "is in a circle" in problem or "is in a circle" not in line]
    assert len(expected) == 1, "an import of what is above makes a circle, too"
    assert expected[0].startswith(problem)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("model.py", "if TYPE_CHECKING:\n    from oslo_config import types"),
        ("service/assembly.py", "def f(conf: cfg.ConfigOpts) -> cfg.ConfigOpts: return conf"),
        ("drivers/memory.py", "from imgstore.driver.options import size_opt\nRANGE = 'Content-Range'"),
        ("http/data.py", "from imgstore import errors, UploadService"),
    ],
)
def test_what_is_allowed_is_let_pass(file: str, code: str) -> None:
    package = sources()
    assert problems({**package, file: f"{package[file]}\n{code}\n"}) == []
