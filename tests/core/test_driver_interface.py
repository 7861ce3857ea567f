"""`imgstore.driver` has all that a driver needs: the drivers that stand for a third party's use nothing else."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import imgstore.driver as interface
from imgstore.driver import MultipartWriter, RangedReader
from imgstore.driver.base import StoreDriver
from imgstore.driver.reader import ObjectReader
from imgstore.driver.signatures import hooks
from imgstore.driver.writer import ObjectWriter

DRIVERS = Path(interface.__file__).parents[1] / "drivers"
EXAMPLES = ("memory", "glance_store")
"""What a third party could have written. The others came first, and use what became public from within."""
BASES = (StoreDriver, ObjectWriter, ObjectReader, MultipartWriter, RangedReader)
HOOKS = {name for base in BASES[:-1] for name in hooks(base)} | {"_abc_impl"}
MODULES = set(re.findall(r"`(imgstore\.driver\.\w+)`", interface.__doc__ or ""))


def imported(module: Path) -> Iterator[tuple[str, str]]:
    """What a module imports from the interface: module and name."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("imgstore.driver."):
            yield from ((node.module or "", alias.name) for alias in node.names)


def is_final(value: object) -> bool:
    return getattr(value, "__final__", False)


def is_public(module: str, name: str) -> bool:
    return name in interface.__all__ or f"{module}.{name}" in MODULES or (module in MODULES and name[0] != "_")


def test_our_examples_need_only_what_is_public() -> None:
    files = [file for name in EXAMPLES for file in DRIVERS.glob(f"{name}*/*.py" if name != "memory" else "memory.py")]
    used = {pair for file in files for pair in imported(file)}
    assert len(used) > 15
    assert {f"{module}.{name}" for module, name in used if not is_public(module, name)} == set()


@pytest.mark.parametrize("base", BASES)
def test_a_subclass_meets_no_state_of_a_base_under_a_name_of_its_own(base: type) -> None:
    """What is neither a hook nor refused when it is replaced has two underscores."""
    own = set(re.findall(r"self\.(_[a-z]\w*)(?: = |: )", inspect.getsource(base)))
    own |= {
        name for name in vars(base) if re.match(r"_[a-z]", name) and not getattr(vars(base)[name], "__final__", False)
    }
    mangled = {name for name in own if name.startswith(f"_{base.__name__}__")}
    assert own - mangled - HOOKS == set()
