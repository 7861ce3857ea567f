"""Each extra names what its modules import, and nothing needs an extra that it does not name.

What is imported is read from the source: when a module is imported, so is what stands outside of its functions. What an
extra brings is read from `setup.cfg`, and what those packages need in turn from their metadata.
"""

from __future__ import annotations

import ast
import configparser
import functools
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pytest

from imgstore.distribution import NAME
from tests.test_layers import parsed, sources

pytestmark = pytest.mark.xdist_group("layers")  # the package is parsed once, and what is installed looked at

ROOT = Path(__file__).parent.parent
NOTHING = ""
HOME = {
    NOTHING: [
        "imgstore.config", "imgstore.http", "imgstore.adapters", "imgstore.driver", "imgstore.drivers.memory",
        "imgstore.drivers.filesystem", "imgstore.transfers", "imgstore.limits", "imgstore.quota", "imgstore.errors",
    ],
    "inspection": ["imgstore.transfers.inspection"],
    "sql": ["imgstore.sql"],
    "prometheus": ["imgstore.observers.prometheus"],
    "otel": ["imgstore.observers.opentelemetry"],
    "s3": ["imgstore.drivers.s3"],
    "swift": ["imgstore.drivers.swift"],
    "fsspec": ["imgstore.drivers.fsspec"],
    "cli": ["imgstore.cli"],
    "service": ["imgstore.service.__main__", "imgstore.service.server", "imgstore.service.api"],
    "service,keystone": ["imgstore.service.auth"],
    "sql,postgresql": ["imgstore.sql.postgresql"],
    "testing": ["imgstore.testing"],
}  # fmt: skip
"""Where each extra is at home: the packages or modules that work with it, and with no other."""
STANDARD = ("imgstore.transfers", "imgstore.http", "imgstore.adapters", "imgstore.catalog", "imgstore.quota")
OUTSIDE = {"imgstore.transfers.inspection", "imgstore.transfers.inspectors", "imgstore.sql.postgresql"}
"""What is in a package of HOME, but works with another extra only."""
SHARED = {"opentelemetry": "opentelemetry-api"}
"""Which of the distributions that share a module is meant."""


@functools.cache
def modules() -> dict[str, ast.Module]:
    return {
        f"imgstore.{path.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__"): parsed(source)
        for path, source in sources().items()
    } | {"imgstore": parsed(sources()["__init__.py"])}


@functools.cache
def imported_by(name: str) -> tuple[str, ...]:
    """The modules that one module imports, the packages that it is in among them."""
    return (*_parents(name), *_imports(modules()[name].body)) if name in modules() else ()


def loaded_by(name: str) -> frozenset[str]:
    """The modules, ours and others', that come in when this one is imported."""
    found, waiting = set[str](), [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += imported_by(each)
    return frozenset(found)


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _imports(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (found if found in modules() else node.module or "" for found in names)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _for_types(node):
            for inner in ("body", "orelse", "finalbody", "handlers"):
                yield from _imports(getattr(node, inner, []))


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def within(homes: Sequence[str]) -> set[str]:
    """The modules of these packages."""
    found = {name for name in modules() for home in homes if name == home or name.startswith(f"{home}.")}
    return found - (OUTSIDE - set(homes))


@functools.cache
def foreign(*homes: str) -> set[str]:
    """The distributions that the modules of these packages import."""
    tops = {found.partition(".")[0] for name in within(homes) for found in loaded_by(name)}
    return {_distribution(top) for top in tops - {"imgstore", "_typeshed", *sys.stdlib_module_names}}


def _distribution(top: str) -> str:
    """The distribution that has a module; of several, the one that is imported here. Python 3.10 does not know those
    without a file `top_level.txt`, which have the module's name."""
    return SHARED.get(top) or normal(_distributions().get(top, [top])[0])


_distributions = functools.cache(metadata.packages_distributions)


def _named(requirement: str) -> str:
    return normal(re.split(r"[\[<>=!~;( ]", requirement)[0])


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def extras() -> dict[str, list[str]]:
    """The requirements of each extra, those of extras that it includes among them."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    named = {name: parser["options.extras_require"][name].split("\n") for name in parser["options.extras_require"]}
    return {NOTHING: parser["options"]["install_requires"].split("\n"), **named}


def named_by(extra: str) -> set[str]:
    """The distributions that an extra names, and those that every installation has."""
    lines = [line for each in (NOTHING, *extra.split(",")) for line in extras()[each] if line]
    return {_named(line) for line in lines}


def brought_by(extra: str) -> set[str]:
    """Those, and what they need in turn."""
    found, waiting = set[str](), [*named_by(extra)]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += [_named(line) for line in _requires(each) if "extra ==" not in line]
    return found


def _requires(name: str) -> list[str]:
    try:
        return list(metadata.requires(name) or [])
    except metadata.PackageNotFoundError:  # for another Python, or another system
        return []


@pytest.mark.parametrize("extra", HOME)
def test_modules_import_only_what_their_extra_brings(extra: str) -> None:
    assert foreign(*HOME[extra]) <= brought_by(extra)


@pytest.mark.parametrize("home", STANDARD)
def test_what_moves_images_needs_the_standard_library_alone(home: str) -> None:
    assert foreign(home) == set()


@pytest.mark.parametrize("extra", [extra for extra in HOME if "," not in extra])
def test_an_extra_names_nothing_that_its_modules_do_not_import(extra: str) -> None:
    included = set[str]().union(*(named_by(other) for other in HOME if other != extra and other in _included(extra)))
    assert named_by(extra) - included - foreign(*HOME[extra]) <= named_by(NOTHING)


def _included(extra: str) -> set[str]:
    parser = configparser.RawConfigParser()
    parser.read(ROOT / "setup.cfg")
    text = parser["options.extras_require"].get(extra, "")
    return set(re.findall(r"%\((\w+)\)s", text))


FOR_DEVELOPERS = {"docs", "test", "clients", "examples"}


def test_the_page_of_extras_has_each_with_what_it_names() -> None:
    rows = re.findall(r"(?m)^\| ((?:`\w+`(?:, )?)+) \| .* \| (.*) \|$", (ROOT / "doc" / "extras.md").read_text())
    shown = {
        tuple(re.findall(r"\w+", names)): {normal(each) for each in re.split("[;,] ", needs)} for names, needs in rows
    }
    told = {name for names in shown for name in names}
    assert told == set(extras()) - FOR_DEVELOPERS - {NOTHING}
    for names, needs in shown.items():
        included = set[str]().union(*(named_by(each) for name in names for each in _included(name)))
        assert needs == named_by(",".join(names)) - included - named_by(NOTHING), names


MISSING = {
    "sqlalchemy": ("sql", "imgstore.sql.address"),
    "prometheus_client": ("prometheus", "imgstore.observers.prometheus"),
    "opentelemetry": ("otel", "imgstore.observers.opentelemetry"),
    "oslo_utils.imageutils": ("inspection", "imgstore.transfers.inspection"),
    "pytest": ("testing", "imgstore.testing"),
    "boto3": ("s3", "imgstore.drivers.s3"),
    "fsspec": ("fsspec", "imgstore.drivers.fsspec"),
    "swiftclient": ("swift", "imgstore.drivers.swift"),
}


@pytest.mark.parametrize("missing", MISSING)
def test_a_module_without_its_extra_says_how_to_install_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra, module = MISSING[missing]
    monkeypatch.setitem(sys.modules, missing, None)
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError) as caught:
        __import__(module)
    assert f"pip install '{NAME}[{extra}]'" in str(caught.value)
    assert (caught.value.name or "").startswith(missing)
