"""The driver guide is true: its example, saved as a package of its own, keeps the contract as its author runs it."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imgstore import driver
from imgstore.driver import base, capabilities
from tests.contract.runner import cases, contract_tests

GUIDE = Path(__file__).parents[2] / "doc" / "drivers.md"


def examples() -> dict[str, str]:
    """The guide's python blocks by the file name on their first line."""
    blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return dict(blocks)


@pytest.mark.long
def test_example_driver_and_the_wrapper_around_it_keep_the_contract(tmp_path: Path) -> None:
    for name, text in examples().items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--basetemp", "work", "."]
    environment = os.environ | {"PYTHONPATH": f"{GUIDE.parents[1]}:{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    total = sum(len(list(cases(test))) for test in contract_tests())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{2 * total + 1} passed" in ran.stdout


@pytest.mark.long
def test_examples_are_typed_as_strictly_as_the_library(tmp_path: Path) -> None:
    names = [name for name in examples() if not name.startswith("test_")]
    for name in names:
        (tmp_path / name).write_text(examples()[name])
    root = GUIDE.parents[1]
    options = ["--strict", "--follow-imports=silent", "--cache-dir", str(root / ".mypy_cache"), "--config-file", ""]
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *names],
        cwd=tmp_path, env=os.environ | {"MYPYPATH": str(root)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_all_that_the_interface_names_is_there() -> None:
    assert [name for name in driver.__all__ if not hasattr(driver, name)] == []
    assert driver.ListsObjects is capabilities.ListsObjects
    assert "nothing" not in dir(driver)
    with pytest.raises(AttributeError, match="nothing"):
        getattr(driver, "noth" + "ing")


def test_adoption_takes_about_twenty_lines() -> None:
    lines = [line for line in examples()["test_shelf.py"].splitlines() if line and not re.match(r"import|from", line)]
    assert len(lines) <= 24


def test_guide_names_every_hook_and_every_capability() -> None:
    text = GUIDE.read_text()
    classes = (base.StoreDriver, base.ObjectWriter, base.ObjectReader)
    hooks = {name for each in classes for name in each.__abstractmethods__}
    protocols = {name for name, _ in inspect.getmembers(capabilities, inspect.isclass) if re.match(r"\w+s[A-Z]", name)}
    assert {name for name in hooks | protocols if f"`{name}" not in text} == set()
