"""The Swift benchmark works, on a few MiB: what is stored is what was read, and what is printed follows from it. The
peer is left out here. No figure is asserted here."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from bench.machine import load_found
from bench.measure import Measurement, SideFailed
from bench.swift import __main__ as program
from bench.swift.measure import measure
from bench.swift.report import verdicts
from bench.swift.sides import BOTH, CURL, DOWN, ONE_BODY, OURS, PEER, SERVICE, SIDES, UP, Access, Side

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def short_look_at_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "load_found", functools.partial(load_found, 0.01))


def found(side: Side, seconds: float, *, cpu: float = 1.0) -> Measurement:
    return Measurement(side.name, 1024 * MIB, seconds, cpu, 0.1, 0, 0.0, {})


@pytest.mark.long
def test_a_run_on_a_real_server_stores_prints_and_keeps_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "runs.json"
    arguments = ["--size", "6", "--rounds", "1", "--json", str(kept)]
    assert program.main([*arguments, "--only", f"{UP}:{OURS}", "--only", f"{UP}:{SERVICE}"]) == 0
    printed = capsys.readouterr().out
    runs = json.loads(kept.read_text())
    assert set(runs) == {name for name, side in SIDES.items() if side.action == UP and side.who in (OURS, SERVICE)}
    assert all(run[0]["size"] == 6 * MIB for run in runs.values())
    (with_digests,) = runs[Side(OURS, UP, BOTH).name]
    assert set(with_digests["digests"]) == {"sha512"}
    assert f"{Side(OURS, UP).name} / {Side(SERVICE, UP).name}, throughput" in printed


@pytest.mark.server
def test_a_side_that_fails_says_why() -> None:
    nobody = Access(
        "http://127.0.0.1:1/auth/v1.0", "a:b", "c", "http://127.0.0.1:1/v1/AUTH_a", "t", "bench", "/nothing"
    )
    with pytest.raises(SideFailed, match=r"(?s)upload:imgstore: .*Image storage is not available"):
        measure(Side(OURS, UP).name, size=1, access=nobody)


def test_verdicts_are_against_the_fastest_and_the_thriftiest_of_the_others() -> None:
    results = {
        Side(OURS, UP).name: [found(Side(OURS, UP), 10.0, cpu=3.0)],
        Side(SERVICE, UP).name: [found(Side(SERVICE, UP), 5.0, cpu=6.0)],
        Side(CURL, UP).name: [found(Side(CURL, UP), 20.0, cpu=2.0)],
        Side(OURS, DOWN).name: [found(Side(OURS, DOWN), 10.0)],
        Side(OURS, DOWN, ONE_BODY).name: [found(Side(OURS, DOWN, ONE_BODY), 40.0)],
        Side(PEER, DOWN).name: [found(Side(PEER, DOWN), 20.0)],
    }
    assert verdicts(results) == [
        f"MISSED  {Side(OURS, UP).name} / {Side(SERVICE, UP).name}, throughput: 0.50, at least 1.0",
        f"told    {Side(OURS, UP).name} / {Side(CURL, UP).name}, CPU: 1.50",
        f"met     {Side(OURS, DOWN).name} / {Side(PEER, DOWN).name}, throughput: 2.00, at least 1.0",
        f"told    {Side(OURS, DOWN).name} / {Side(PEER, DOWN).name}, CPU: 1.00",
        f"told    {Side(OURS, DOWN, ONE_BODY).name} / {Side(PEER, DOWN).name}, throughput: 0.50",
        f"told    {Side(OURS, DOWN, ONE_BODY).name} / {Side(PEER, DOWN).name}, CPU: 1.00",
    ]
