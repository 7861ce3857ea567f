"""A driver in a package of its own, in an environment beside imgstore's wheel: the example, and a new one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.databases import in_memory
from tests.support.environments import ROOT, Environment, run
from tests.support.service import ServiceProcess

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("environments")]
EXAMPLE = ROOT / "examples" / "imgstore-driver-sqlite"
BODY = bytes(range(256)) * 20_000
ARCHIVE = "archive"


class InstalledService(ServiceProcess):
    """The service as an environment has it, with a store whose driver is the example's."""

    def __init__(self, root: Path, environment: Environment) -> None:
        self._python = str(environment.python)
        enabled = f"fast:filesystem, slow:filesystem, {ARCHIVE}:sqlite"
        super().__init__(root, options={"imgstore": {"enabled_stores": enabled}, ARCHIVE: {"path": root / "images.db"}})

    def command(self) -> list[str]:
        return [self._python, *super().command()[1:]]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With the wheels of imgstore and of the example, which are found nowhere else."""
    made = Environment(tmp_path_factory.mktemp("third-party"))
    made.make()
    made.borrow()
    made.install("--ignore-installed", "setuptools>=68")
    made.install_alone(wheel, made.wheel_of(EXAMPLE, tmp_path_factory.mktemp("driver")))
    assert str(made.directory) in run(made.python, "-c", "import imgstore; print(imgstore.__file__)")
    return made


def expect_contract(environment: Environment, package: Path) -> None:
    """The tests of the package pass there."""
    options = ("-q", "-W", "error", "-p", "no:cacheprovider")
    with tempfile.TemporaryDirectory(dir=in_memory()) as quick:
        told = run(environment.python, "-m", "pytest", *options, "--basetemp", f"{quick}/base", "tests", cwd=package)
    assert " passed" in told
    assert "skipped" not in told


def test_an_upload_by_http_goes_into_the_store_of_a_third_party(environment: Environment, tmp_path: Path) -> None:
    with InstalledService(tmp_path, environment) as service:
        image = service.client.create()
        assert service.client.upload(image, BODY, store=ARCHIVE).status == 204
        assert service.client.show(image)["stores"] == ARCHIVE
        assert service.client.download(image).body == BODY
        part = service.client.download(image, Range="bytes=1048570-1048585")
        assert (part.status, part.body) == (206, BODY[1048570:1048586])
        assert service.client.delete(image).status == 204
        assert (service.objects(), service.leftovers()) == ([], [])


def test_the_example_keeps_the_contract_where_it_is_installed(environment: Environment, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    expect_contract(environment, tmp_path)


def test_a_new_driver_is_made_and_installed_where_there_is_only_the_wheel(
    environment: Environment, tmp_path: Path
) -> None:
    command = environment.python.with_name("imgstore")
    run(command, "new-driver", "tape", cwd=tmp_path)
    package = tmp_path / "imgstore-driver-tape"
    environment.install_alone("--editable", package)
    expect_contract(environment, package)
    (tmp_path / "images").mkdir()
    (tmp_path / "imgstore.conf").write_text(
        f"[imgstore]\nenabled_stores = {ARCHIVE}:tape\n[{ARCHIVE}]\npath = {tmp_path}/images\n"
    )
    assert "written, read back and removed" in run(command, "check", cwd=tmp_path)
    cache = ROOT / ".mypy_cache" / "guide"
    run(sys.executable, "-m", "mypy", "--cache-dir", cache, cwd=package, variables={"MYPYPATH": str(ROOT)})
