"""The benchmark of isolation works, for a second, and its table follows from what was measured. No figure is asserted
here."""

from __future__ import annotations

import functools

import pytest

from bench.isolation import __main__ as program
from bench.isolation.case import Found, Half
from bench.machine import load_found


def found(others: float) -> Found:
    """Three rounds of a machine that slows down, and then is as fast as before."""
    return Found(
        well=[Half(rate, 4.0, others) for rate in (110, 90, 50, 90)],
        hung=[Half(rate, 5.0, others) for rate in (90, 49, 81)],
        health=[0.001] * 99 + [0.2], metrics=[0.05] * 2, refused=[2.0, 0.1], ended=6.0,
    )  # fmt: skip


def test_a_line_compares_each_half_with_its_neighbours_and_has_the_slowest_refusal() -> None:
    assert program.line("s3", 200, found(0.1)).split() == [
        "s3", "200", "3", "ms", "50", "ms", "90", "81", "0.90", "(0.70", "to", "1.16)", "4.00", "5.00", "0.10",
        "2.00", "s", "6.0", "s",
    ]  # fmt: skip


def test_work_of_others_is_told_with_what_it_does_not_disturb() -> None:
    assert program.remarks(found(0.1)) == []
    (remark,) = program.remarks(found(1.0))
    assert "others used 1.0 cores" in remark
    assert "1.25 times" in remark


@pytest.mark.long
def test_a_run_prints_a_line_for_each_case(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "load_found", functools.partial(load_found, 0.01))
    assert program.main(["--stores", "s3", "--clients", "6", "--rounds", "1", "--seconds", "1"]) == 0
    (case,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("s3")]
    assert case.split()[:2] == ["s3", "6"]
