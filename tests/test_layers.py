"""The layer rule, read from the source: imports lead to lower floors only, and each kind of knowledge has one home.

`problems` reads the package or a copy of it: the real one has none, and for each rule a broken copy has one.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

IMGSTORE = Path(__file__).parent.parent / "imgstore"
LONGEST = 350

FLOORS = (
    {"errors", "guard", "model"},
    {"quota", "limits", "catalog", "seam", "taps", "undo", "digests", "parts"},
    {"writer", "reader", "capabilities"},
    {"driver", "parted", "ranged"},
    {"store"},
    {"sizes"},
    {"storewriter"},
    {"fanout"},
    {"session", "download", "inspection", "remnants"},
    {"preparing"},
    {"upload"},
    {"copying"},
    {"http", "extras", "entrypoints"},
    {"registry", "options"},
    {"inifiles"},
    {"config", "sql"},
    {"adapters"},
    {"service"},
    {"cli"},
)
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}
CORE = {part for part, number in FLOOR.items() if number <= FLOOR["store"]}
BESIDE = {"": "copying", "testing": "store", "drivers": "sizes"}
"""Parts that stand beside the house, and the highest floor that they see; "" is `imgstore/__init__.py`."""

HOMES = {
    "stevedore": {"entrypoints"},
    "sqlalchemy": {"sql"},
    "sqlite3": {"sql"},
    "alembic": {"sql"},
    "tenacity": {"sql", "drivers"},
    "falcon": {"service"},
    "cheroot": {"service"},
    "keystoneauth1": {"service", "drivers"},
    "keystonemiddleware": {"service"},
    "oslo_context": {"service"},
    "oslo_policy": {"service"},
    "oslo_limit": {"service"},
    "openstack": {"service"},
    "prometheus_client": {"service"},
    "jsonpatch": {"service"},
    "jsonpointer": {"service"},
    "boto3": {"drivers"},
    "botocore": {"drivers"},
    "urllib3": {"drivers"},
    "awscrt": {"drivers"},
    "cliff": {"cli"},
    "rich": {"cli"},
    "pytest": {"testing"},
    "oslo_utils": {"inspection"},
    "oslo_config": {"sizes", "options", "registry", "inifiles", "config", "drivers", "service", "cli"},
    "swiftclient": {"drivers"},
    "requests": {"drivers"},
    "http": {"http", "adapters", "service"},
    "wsgiref": {"adapters", "service"},
}
"""Who may import what. The rest of the standard library is for all; of others nothing else comes in."""

TYPING_ONLY = {"typing_extensions", "_typeshed", "oslo_config", "types_boto3_s3"}
"""What any part may import under TYPE_CHECKING, where nothing is loaded."""

HTTP_HOMES = {"http", "adapters", "service", "drivers"}
"""Drivers are here because some speak HTTP to their storage."""
HTTP_WORDS = {
    "content-range", "content-length", "content-type", "content-md5", "content-encoding", "transfer-encoding",
    "accept-ranges", "if-none-match", "if-range", "if-match", "retry-after", "www-authenticate",
    "x-image-meta-store", "x-openstack-image-size", "x-openstack-request-id", "application/octet-stream",
}  # fmt: skip


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


def sources() -> dict[str, str]:
    """The package as it is: source by path."""
    return {path.relative_to(IMGSTORE).as_posix(): path.read_text() for path in sorted(IMGSTORE.rglob("*.py"))}


def problems(package: Mapping[str, str]) -> list[str]:
    """What in `package`, source by path, breaks the rule, one line each."""
    modules = [_module(path, source) for path, source in package.items()]
    names = frozenset(module.name for module in modules)
    return [f"{module.name} {problem}" for module in modules for problem in _problems_of(module, names)]


def _module(path: str, source: str) -> Module:
    parts = PurePosixPath(path).with_suffix("").parts
    inner = parts[:-1] if parts[-1] == "__init__" else parts
    return Module(".".join(("imgstore", *inner)), inner[0] if inner else "", source)


@functools.cache
def _problems_of(module: Module, names: frozenset[str]) -> list[str]:
    """Kept, since a broken copy differs from the package in one module."""
    return list(_find(module, names))


def _find(module: Module, names: frozenset[str]) -> Iterator[str]:
    lines = module.source.count("\n")
    if lines > LONGEST:
        yield f"has {lines} lines"
    if module.part not in FLOOR and module.part not in BESIDE:
        yield "is on no floor"
        return
    tree = ast.parse(module.source)
    for found in _imports(tree):
        yield from _misplaced(module, found, names)
    yield from _misplaced_words(module, tree)


def _imports(tree: ast.Module) -> Iterator[Import]:
    unloaded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node in unloaded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (Import(f"{base}.{alias.name}", node in unloaded) for alias in node.names)


def _misplaced(module: Module, found: Import, names: frozenset[str]) -> Iterator[str]:
    top, _, rest = found.name.partition(".")
    if top == "":
        yield f"imports {found.name}, which is relative"
    elif top == "imgstore":
        part = rest.split(".")[0]
        yield from _misplaced_part(module, part if f"imgstore.{part}" in names else "")
    elif not _may_come_in(module.part, found, top):
        yield f"imports {top}"


def _misplaced_part(module: Module, part: str) -> Iterator[str]:
    """A part sees what is below it. What stands beside the house is seen by itself alone, except "" from above it."""
    if part == module.part:
        return
    if part in BESIDE and part:
        yield f"imports {part}"
    elif part and part not in FLOOR:
        yield f"imports {part}, which is on no floor"
    elif FLOOR[part or "copying"] > _sees(module.part) or (not part and module.part in BESIDE):
        yield f"imports {part or 'imgstore'}, which is not below it"


def _sees(part: str) -> int:
    return FLOOR[BESIDE[part]] if part in BESIDE else FLOOR[part] - 1


def _may_come_in(part: str, found: Import, top: str) -> bool:
    if found.typing_only and top in TYPING_ONLY:
        return True
    if part in CORE or top not in HOMES:
        return top in sys.stdlib_module_names and top not in HOMES
    return part in HOMES[top]


def _misplaced_words(module: Module, tree: ast.Module) -> Iterator[str]:
    annotations = {inner for node in ast.walk(tree) for part in _annotations(node) for inner in ast.walk(part)}
    for node in ast.walk(tree):
        word = _word(node)
        if word in {"import_module", "__import__"}:
            yield f"hides an import from this test: {word}"
        if word == "ConfigOpts" and node not in annotations and module.part != "config":
            yield "knows ConfigOpts"
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if text.lower() in HTTP_WORDS and module.part not in HTTP_HOMES:
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


LOW = "which is not below it"


@pytest.mark.parametrize(
    ("file", "code", "problem"),
    [
        ("model.py", "import imgstore.errors", f"model imports errors, {LOW}"),
        ("writer.py", "from imgstore.upload import UploadService", f"writer imports upload, {LOW}"),
        ("writer.py", "from imgstore import upload", f"writer imports upload, {LOW}"),
        (
            "quota.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from imgstore.store import Store",
            f"quota imports store, {LOW}",
        ),
        ("quota.py", "def late():\n    import imgstore.store", f"quota imports store, {LOW}"),
        ("http/data.py", "from imgstore import config", f"http.data imports config, {LOW}"),
        ("store.py", "from imgstore import UploadService", f"store imports imgstore, {LOW}"),
        ("store.py", "from . import upload", "store imports ..upload, which is relative"),
        ("config.py", "from imgstore.drivers.memory import MemoryDriver", "config imports drivers"),
        ("upload.py", "from imgstore.testing import DriverContract", "upload imports testing"),
        ("drivers/memory.py", "from imgstore import registry", f"drivers.memory imports registry, {LOW}"),
        ("testing/bench.py", "from imgstore import upload", f"testing.bench imports upload, {LOW}"),
        ("testing/bench.py", "from imgstore.drivers import memory", "testing.bench imports drivers"),
        ("__init__.py", "from imgstore import config", f" imports config, {LOW}"),
        ("config.py", "import stevedore", "config imports stevedore"),
        ("registry.py", "from oslo_config.cfg import ConfigOpts", "registry knows ConfigOpts"),
        ("options.py", "conf = cfg.ConfigOpts()", "options knows ConfigOpts"),
        ("config.py", "import sqlalchemy.orm", "config imports sqlalchemy"),
        ("service/api.py", "import sqlite3", "service.api imports sqlite3"),
        ("adapters/wsgi.py", "import falcon", "adapters.wsgi imports falcon"),
        ("http/data.py", "from cheroot import wsgi", "http.data imports cheroot"),
        ("http/data.py", "import pytest", "http.data imports pytest"),
        ("upload.py", "from http import HTTPStatus", "upload imports http"),
        ("driver.py", "from oslo_config import cfg", "driver imports oslo_config"),
        ("store.py", "import typing_extensions", "store imports typing_extensions"),
        ("service/api.py", "from imgstore.cli import words", f"service.api imports cli, {LOW}"),
        ("service/api.py", "import rich", "service.api imports rich"),
        ("adapters/wsgi.py", "from cliff import app", "adapters.wsgi imports cliff"),
        ("service/api.py", "import httpx", "service.api imports httpx"),
        ("upload.py", "RANGE = 'Content-Range'", "upload knows Content-Range"),
        ("registry.py", "importlib.import_module('x')", "registry hides an import from this test: import_module"),
        ("registry.py", "__import__('x')", "registry hides an import from this test: __import__"),
        ("novelty.py", "x = 1", "novelty is on no floor"),
        ("novelty/deep.py", "x = 1", "novelty.deep is on no floor"),
        ("capabilities.py", "\n" * LONGEST, "capabilities has "),
    ],
)
def test_a_broken_copy_is_noticed(file: str, code: str, problem: str) -> None:
    package = sources()
    before = problems(package)
    found = set(problems({**package, file: f"{package.get(file, '')}\n{code}\n"})).difference(before)
    assert len(found) == 1
    assert found.pop().removeprefix("imgstore").removeprefix(".").startswith(problem)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("driver.py", "if TYPE_CHECKING:\n    from oslo_config import types"),
        ("service/assembly.py", "def f(conf: cfg.ConfigOpts) -> cfg.ConfigOpts: return conf"),
        ("drivers/memory.py", "from imgstore.sizes import size_opt\nRANGE = 'Content-Range'"),
        ("http/data.py", "from imgstore import errors, UploadService"),
    ],
)
def test_what_is_allowed_is_let_pass(file: str, code: str) -> None:
    package = sources()
    assert problems({**package, file: f"{package[file]}\n{code}\n"}) == problems(package)
