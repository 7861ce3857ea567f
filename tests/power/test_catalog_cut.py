"""A power cut at any point of an upload or a deletion of a whole service: catalog, quota and store end as one.

For each commit of the catalog and all that the disk may have of the store then: an acknowledged image is active and
whole, a deleted one stays deleted, the store has nothing else, the quota is right, and a retry succeeds.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from tests.power.catalog import ACTIONS, Action, RestartedHouse, found_after_cuts, record, store
from tests.power.mutants import WithoutDirectorySync
from tests.power.scenarios import KINDS, WAYS, content_of

Case: TypeAlias = "tuple[type[FilesystemDriver], str, Action, int | None]"
"""How bytes are staged and written, what happens, and the declared size."""
SHORT = content_of(1)
LONG = content_of(3)


@pytest.mark.server  # it starts none, but tries every power cut
def test_catalog_and_store_agree_after_a_power_cut(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = itertools.product(KINDS, ["cached"], ACTIONS, [None])
    _expect_no_fault(memory, capsys, cases, SHORT, least=100)


@pytest.mark.long
def test_catalog_and_store_agree_after_any_power_cut(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = itertools.product(KINDS, WAYS, ACTIONS, [len(LONG)])
    _expect_no_fault(memory, capsys, cases, LONG, least=500)


def test_an_active_image_without_data_is_found(memory: Path) -> None:
    _, faults = _faults(memory, [(WithoutDirectorySync, "cached", store, None)], SHORT)
    assert any("the store has not what the catalog has" in fault for fault in faults)


def _expect_no_fault(
    memory: Path, capsys: pytest.CaptureFixture[str], cases: Iterable[Case], content: bytes, *, least: int
) -> None:
    states, faults = _faults(memory, cases, content)
    with capsys.disabled():
        sys.stderr.write(f"\n{states} states of catalog and store after a power cut, {sum(faults.values())} faults\n")
    assert not faults
    assert states >= least


def _faults(memory: Path, cases: Iterable[Case], content: bytes) -> tuple[int, Counter[str]]:
    states, faults = 0, Counter[str]()
    for number, (kind, way, action, size) in enumerate(cases):
        events = record(kind, way, action, memory / str(number), content=content, size=size)
        with contextlib.closing(RestartedHouse(memory / f"{number}-restarted", kind, content)) as house:
            for told, copy, layout in found_after_cuts(events):
                states += 1
                for fault in house.faults(told, copy, layout):
                    faults[f"{kind.__name__}, {way}, {action.__name__}: {fault}"] += 1
    return states, faults
