"""Wheels as pip builds them, and environments of their own in which nothing of this repository is found by its path."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 300.0
BUILD = "setuptools>=77.0.3"
"""As in pyproject.toml."""
GENERATED = ("*.egg-info", "build", "_build", "dist", "var", "__pycache__", ".*")
"""What is in a developer's tree, and not in a release."""


def run(*command: object, cwd: object = "/", variables: Mapping[str, str] | None = None) -> str:
    """What a program prints, which must succeed. It sees nothing of this repository."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONWARNINGS"}}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, timeout=PATIENCE,
        cwd=str(cwd), env={**kept, **(variables or {})},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel_of(source: Path, directory: Path) -> Path:
    """The distribution in `source`, a directory or an sdist, built into `directory`. Two builds in one tree would take
    each other's files: the tests that build are one group, `environments`."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", directory, source)
    (found,) = directory.glob("*.whl")
    return found


def sdist_of(tree: Path, directory: Path) -> Path:
    """The sdist of the checkout in `tree`, built into `directory`."""
    tools = Environment(directory / "tools")
    tools.make()
    tools.install(BUILD)
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(directory)!r})"
    run(tools.python, "-c", build, cwd=tree)
    (found,) = directory.glob("*.tar.gz")
    return found


@dataclass(frozen=True)
class Environment:
    """An environment in `directory`, without pip."""

    directory: Path

    def make(self) -> None:
        """Makes it."""
        run(sys.executable, "-m", "venv", "--without-pip", self.directory)

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.directory / "bin" / "python"

    def borrow(self) -> None:
        """From now on it finds what the tests' own environment has, but for what is there by its path alone: this
        repository. So no dependency is fetched again."""
        (site,) = self.directory.glob("lib/python*/site-packages")
        (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")

    def install(self, *requirements: object) -> None:
        """Installs from the index, or from files."""
        run(*self._pip(), "install", "--quiet", "--no-compile", *requirements)

    def install_alone(self, *requirements: object) -> None:
        """Installs from files, and nothing that these need. It has setuptools, if one is to be built."""
        self.install("--no-deps", "--ignore-installed", "--no-build-isolation", *requirements)

    def wheel_of(self, source: Path, directory: Path) -> Path:
        """The distribution in `source`, built by the setuptools of the environment; nothing is left in `source`."""
        copied = directory / "source"
        shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
        run(*self._pip(), "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", directory, copied)
        (found,) = directory.glob("*.whl")
        return found

    def installed(self) -> set[str]:
        """The names of its distributions."""
        return {each["name"] for each in json.loads(run(*self._pip(), "list", "--format", "json"))}

    def _pip(self) -> tuple[object, ...]:
        return sys.executable, "-m", "pip", "--python", self.python
