"""A power cut at any point of an upload, an abort or a deletion: nothing partial is seen, nothing acknowledged lost.

What the driver asks of the system is recorded, every state that may persist is laid out, and a driver that knows
nothing of it is asked (`questions`). Then the test is tested: writers that leave a step out are found out.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from tests.power.mutants import MUTANTS
from tests.power.questions import Machine, found_after_cuts
from tests.power.scenarios import KINDS, SCENARIOS, WAYS, content_of, record

SHORT, LONG = 6, 10
"""Blocks of an object."""
MEANT = ("partial", "lost", "back")
"""Words of the faults that a power cut makes."""


def test_a_power_cut_at_any_point_leaves_all_or_nothing(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _expect_no_fault(memory, capsys, blocks=SHORT, least=5_000)


@pytest.mark.long
def test_a_power_cut_at_any_point_of_long_uploads(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _expect_no_fault(memory, capsys, blocks=LONG, least=100_000)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_driver_that_leaves_a_step_out_is_caught(memory: Path, mutant: type[FilesystemDriver]) -> None:
    faults = _faults(memory, [mutant], ["cached"], blocks=3, first=MEANT)[2]
    assert any(word in fault for fault in faults for word in MEANT)


def _expect_no_fault(memory: Path, capsys: pytest.CaptureFixture[str], *, blocks: int, least: int) -> None:
    states, laid_out, faults = _faults(memory, KINDS, list(WAYS), blocks=blocks)
    with capsys.disabled():
        sys.stderr.write(
            f"\n{states} states after a power cut, {laid_out} of them different, {sum(faults.values())} faults\n"
        )
    assert not faults
    assert states >= least


def _faults(
    memory: Path,
    kinds: Sequence[type[FilesystemDriver]],
    ways: Sequence[str],
    *,
    blocks: int,
    first: Sequence[str] = (),
) -> tuple[int, int, Counter[str]]:
    """How many states there were, how many were laid out because no other was the same, and what was wrong. The search
    ends at the first fault that has one of the words `first`."""
    content, states, faults = content_of(blocks), 0, Counter[str]()
    machines = {kind: Machine(memory / kind.__name__, kind, content) for kind in kinds}
    every = itertools.product(kinds, ways, SCENARIOS, (len(content), None))
    for number, (kind, way, scenario, size) in enumerate(every):
        events = record(kind, way, scenario, memory / str(number), content=content, size=size)
        for expected, layout in found_after_cuts(events):
            states += 1
            for fault in machines[kind].faults(expected, layout):
                faults[f"{kind.__name__}, {way}, {scenario.__name__}: {fault}"] += 1
                if any(word in fault for word in first):
                    return states, machines[kind].laid_out, faults
    return states, sum(machine.laid_out for machine in machines.values()), faults
