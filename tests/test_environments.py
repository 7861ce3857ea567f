"""What is published: sdist and wheel are whole, and each extra installs, in an environment of its own, enough for its
modules and nothing of another extra."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

import imgstore
from imgstore.distribution import NAME
from tests.support.environments import ROOT, Environment, run
from tests.test_extras import HOME, NOTHING, brought_by, extras, named_by, normal

EXTRAS = (NOTHING, "sql", "prometheus", "otel")
"""Those that a host takes by themselves. What the others bring is read from their metadata (`test_extras`)."""

pytestmark = pytest.mark.xdist_group("environments")  # one build for all


def files(tree: Path) -> set[str]:
    return {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}


@pytest.mark.long
def test_the_sdist_has_each_file_of_a_checkout(sdist: Path, checkout: Path) -> None:
    with tarfile.open(sdist) as archive:
        assert files(checkout) <= {name.partition("/")[2] for name in archive.getnames()}


@pytest.mark.long
def test_the_wheel_has_the_package_whole_and_nothing_else(wheel: Path, checkout: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == {
        name for name in files(checkout) if name.startswith("imgstore/")
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
    environment = Environment(tmp_path)
    environment.make()
    environment.install(f"{NAME}[{extra}] @ file://{wheel}" if extra else wheel)
    run(environment.python, "-W", "error", "-c", f"import {', '.join(HOME[extra])}")
    installed = set(map(normal, environment.installed())) - {NAME}
    named = set[str]().union(*(named_by(other) for other in extras() if other != NOTHING))
    assert installed & named <= brought_by(extra)
    assert named_by(extra) <= installed
