"""`imgstore new-driver` makes a package that keeps the contract at once, or nothing."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.cli.commands import new_driver
from tests.cli.support import ROOT, Shop
from tests.support.databases import in_memory
from tests.support.packages import install

LINES = 176
SIMPLE_TO_HARD = [
    "test_committed_bytes_are_read_back",
    "test_every_range_of_a_small_object",
    "test_abort_leaves_nothing",
    "test_broken_upload_is_whole_or_undone",
    "test_parent_and_child_of_a_fork_read_and_write_right",
    "test_race_for_one_key_has_exactly_one_winner",
]
RUFF = str(Path(sys.executable).with_name("ruff"))


def made(shop: Shop, name: str) -> Path:
    done = shop.run("new-driver", name)
    assert (done.status, done.err) == (0, "")
    return shop.root / f"imgstore-driver-{name.replace('_', '-')}"


def in_package(package: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=package, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_package_keeps_the_contract_and_the_style_as_it_is_made(shop: Shop) -> None:
    package = made(shop, "tape_robot")
    install(shop.site, "tape", entry_points=["tape_robot = imgstore_driver_tape_robot:TapeRobotDriver"])
    with tempfile.TemporaryDirectory(dir=in_memory()) as quick:
        tests = in_package(
            package, sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--basetemp", f"{quick}/base",
            PYTHONPATH=f"{package}/src:{shop.site}:{ROOT}", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        )  # fmt: skip
    assert tests.returncode == 0, tests.stdout
    assert re.search(r"\b1[0-9]{2} passed", tests.stdout)
    order = list(dict.fromkeys(re.findall(r"::TestTapeRobot::(test_\w+)", tests.stdout)))
    assert sorted(SIMPLE_TO_HARD, key=order.index) == SIMPLE_TO_HARD
    for style in (("check",), ("format", "--check")):
        ruff = in_package(package, RUFF, *style, "--no-cache")
        assert ruff.returncode == 0, ruff.stdout


def test_check_of_the_new_driver_finds_that_nothing_can_be_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(made(shop, "slate") / "src")
    driver = importlib.import_module("imgstore_driver_slate").SlateDriver(path="/proc/self")
    with pytest.raises(errors.StoreUnavailable):
        driver.check()


def test_driver_and_tests_are_short(shop: Shop) -> None:
    package = made(shop, "tape")
    lines = [line for path in package.rglob("*.py") for line in path.read_text().splitlines()]
    assert len(lines) <= LINES
    assert "@" not in re.sub(r"@v[0-9]|@(pytest|contextlib)\.", "", "".join(map(Path.read_text, files(package))))


def files(package: Path) -> list[Path]:
    return [path for path in package.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("Tape-2", "digits and _, 40 at most. Did you mean 'tape_2'?"),
        ("../tape", "Did you mean 'tape'?"),
        ("9", "digits and _, 40 at most."),
        ("t" * 41, f"Did you mean '{'t' * 40}'?"),
        ("s3", "a driver 's3' is installed already. Choose another name."),
    ],
)
def test_a_name_that_no_driver_can_have_is_refused(shop: Shop, name: str, refusal: str) -> None:
    before = sorted(os.listdir(shop.root))
    done = shop.run("new-driver", name)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert done.err.endswith(f"{refusal}\n")
    assert sorted(os.listdir(shop.root)) == before


def test_what_is_there_is_left_alone_and_half_a_package_is_none(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.root / "imgstore-driver-tape").symlink_to("nowhere")
    done = shop.run("new-driver", "tape")
    assert (done.status, done.err) == (
        4, "imgstore: 'imgstore-driver-tape' is there already. Remove it, or choose another name.\n",
    )  # fmt: skip
    before = sorted(os.listdir(shop.root))
    monkeypatch.setitem(new_driver.FILES, "test_contract.py", "README.md/impossible")
    assert shop.run("new-driver", "disk").status == 1
    assert sorted(os.listdir(shop.root)) == before
