"""What is published: sdist and wheel are whole, and each extra installs, in an environment of its own, enough for its
modules and nothing of another extra."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import imgstore
from imgstore.distribution import NAME
from tests.test_extras import HOME, NOTHING, ROOT, brought_by, extras, named_by, normal

EXTRAS = (NOTHING, "sql", "prometheus", "otel")
"""Those that a host takes by themselves. What the others bring is read from their metadata (`test_extras`)."""

BUILD = "setuptools>=77.0.3"
"""As in pyproject.toml."""
GENERATED = ("*.egg-info", "build", "_build", "dist", "var", "__pycache__", ".*")
"""What is in a developer's tree, and not in a release."""

pytestmark = pytest.mark.xdist_group("environments")  # one build for all


def run(*command: object, cwd: str | Path = "/") -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment(path: Path, *requirements: object) -> Path:
    """The Python of a new environment that has these, and no pip."""
    run(sys.executable, "-m", "venv", "--without-pip", path)
    python = path / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile", *requirements)
    return python


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a checkout has. A developer's tree also has earlier builds' lists of files, which setuptools takes over."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("tree") / NAME, ignore=shutil.ignore_patterns(*GENERATED))


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sdist")
    python = environment(directory / "tools", BUILD)
    run(python, "-c", f"from setuptools.build_meta import build_sdist; build_sdist({str(directory)!r})", cwd=tree)
    return next(directory.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made from the sdist, as whoever packages it for a distribution does."""
    directory = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", directory, sdist)
    return next(directory.glob("*.whl"))


def files(tree: Path) -> set[str]:
    return {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}


@pytest.mark.long
def test_the_sdist_has_each_file_of_a_checkout(sdist: Path, tree: Path) -> None:
    with tarfile.open(sdist) as archive:
        assert files(tree) <= {name.partition("/")[2] for name in archive.getnames()}


@pytest.mark.long
def test_the_wheel_has_the_package_whole_and_nothing_else(wheel: Path, tree: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == {
        name for name in files(tree) if name.startswith("imgstore/")
    }


@pytest.mark.long
def test_the_wheel_says_its_version_and_licence(wheel: Path) -> None:
    folder = f"imgstore_backends-{imgstore.__version__}.dist-info"
    archive = zipfile.ZipFile(wheel)
    told = archive.read(f"{folder}/METADATA").decode()
    assert "\nLicense-Expression: Apache-2.0\n" in told
    assert archive.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_its_modules_need_and_nothing_of_another(extra: str, wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path, f"{NAME}[{extra}] @ file://{wheel}" if extra else wheel)
    pip: Sequence[object] = (sys.executable, "-m", "pip", "--python", python)
    run(python, "-W", "error", "-c", f"import {', '.join(HOME[extra])}")
    installed = {normal(each["name"]) for each in json.loads(run(*pip, "list", "--format", "json"))} - {NAME}
    named = set[str]().union(*(named_by(other) for other in extras() if other != NOTHING))
    assert installed & named <= brought_by(extra)
    assert named_by(extra) <= installed
