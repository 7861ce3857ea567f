"""What each extra installs, in an environment of its own: enough for its modules, and nothing of another extra."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from imgstore.distribution import NAME
from tests.test_extras import HOME, NOTHING, ROOT, brought_by, extras, named_by, normal

EXTRAS = (NOTHING, "sql", "prometheus", "otel")
"""Those that a host takes by themselves. What the others bring is read from their metadata (`test_extras`)."""


pytestmark = pytest.mark.xdist_group("environments")  # two builds in one tree would take each other's files


def run(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution as it is now."""
    directory = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", directory, ROOT)
    (found,) = directory.glob("*.whl")
    return found


@pytest.mark.long
@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_its_modules_need_and_nothing_of_another(extra: str, wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path)
    pip: Sequence[object] = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-compile", f"{NAME}[{extra}] @ file://{wheel}" if extra else wheel)
    run(python, "-W", "error", "-c", f"import {', '.join(HOME[extra])}")
    installed = {normal(each["name"]) for each in json.loads(run(*pip, "list", "--format", "json"))} - {NAME}
    named = set[str]().union(*(named_by(other) for other in extras() if other != NOTHING))
    assert installed & named <= brought_by(extra)
    assert named_by(extra) <= installed
