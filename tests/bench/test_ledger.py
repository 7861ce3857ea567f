"""The benchmark of the ledger works, on a few uploads, and counts what is sent. No figure is asserted here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.ledger import __main__ as program
from bench.ledger.world import in_memory, on


def test_a_run_prints_a_line_for_each_number_of_uploads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "PROGRAMS", {"sqlite": None})
    assert program.main(["--uploads", "4", "--at-once", "1", "2", "--datadir", str(tmp_path)]) == 0
    lines = re.findall(r"^(none|sqlite) +(known|unknown) +([12]) +[\d.]+", capsys.readouterr().out, re.MULTILINE)
    assert lines == [(kind, size, n) for kind in ("none", "sqlite") for size in ("known", "unknown") for n in "12"]


def test_statements_are_those_of_the_uploads(tmp_path: Path) -> None:
    with on(f"sqlite:///{tmp_path}/database") as world:
        _, one, two = (world.measure(1, count, known=True) for count in (1, 1, 2))
    assert 0 < one.transactions < one.statements
    assert two.statements == 2 * one.statements


def test_nothing_is_sent_without_a_database() -> None:
    with in_memory() as world:
        found = world.measure(2, 4, known=False)
    assert (len(found.seconds), found.statements, found.transactions) == (4, 0, 0)
