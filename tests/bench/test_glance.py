"""The benchmark of Glance works, on a small image. No figure is asserted here."""

from __future__ import annotations

import functools

import pytest

from bench.glance import __main__ as program
from bench.machine import load_found


@pytest.mark.long
def test_a_run_measures_both_stores_and_compares_their_digests(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "load_found", functools.partial(load_found, 0.01))
    assert program.main(["--size", "20", "--rounds", "1", "--chunked"]) == 0
    told = capsys.readouterr().out
    assert {line.split()[0] for line in told.splitlines() if ":" in line[:30]} >= {
        side for goal in program.GOALS for side in (goal.side, goal.reference)
    }
    assert "not measured" not in told
