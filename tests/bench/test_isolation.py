"""The benchmark of isolation works, for a second, and its table follows from what was measured. No figure is asserted
here."""

from __future__ import annotations

import functools

import pytest

from bench.isolation import __main__ as program
from bench.isolation.case import Found
from bench.machine import load_found


def test_line_has_the_ratio_of_the_same_run_and_the_slowest_refusal() -> None:
    found = Found(well=[100, 50, 90], hung=[90, 49, 81], health=[0.001] * 99 + [0.2], metrics=[0.05] * 2, ended=6.0)
    found.refused = [2.0, 0.1]
    assert program.line("s3", 200, found).split() == [
        "s3", "200", "3", "ms", "50", "ms", "90", "81", "0.90", "2.0", "s", "6.0", "s",
    ]  # fmt: skip


@pytest.mark.long
def test_a_run_prints_a_line_for_each_case(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "load_found", functools.partial(load_found, 0.01))
    assert program.main(["--stores", "s3", "--clients", "6", "--rounds", "1", "--seconds", "1"]) == 0
    (case,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("s3")]
    assert case.split()[:2] == ["s3", "6"]
