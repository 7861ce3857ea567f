"""The S3 benchmark works, on a few MiB: what is stored is what was read, and what is printed follows from it. Peers
are left out here. No figure is asserted here."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from bench.machine import load_found
from bench.measure import Measurement, SideFailed
from bench.network.source import BLOCK, Nowhere, Source
from bench.s3 import __main__ as program
from bench.s3.measure import measure
from bench.s3.report import linearity, verdicts
from bench.s3.sides import BOTO, DOWN, OURS, PEER, SIDES, UNKNOWN, UP, Access, Side

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def short_look_at_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "load_found", functools.partial(load_found, 0.01))


def found(side: Side, seconds: float, *, cpu: float = 1.0, size: int = 1024 * MIB) -> Measurement:
    return Measurement(side.name, size, seconds, cpu, 0.1, 0, 0.0, {})


@pytest.mark.server  # of bytes by the hundred MiB
def test_a_source_is_the_same_bytes_however_it_is_read() -> None:
    for size, piece in ((0, 8 * MIB), (1, 5 * MIB), (BLOCK, 8 * MIB), (2 * BLOCK + 5, 5 * MIB)):
        first, second = Source(size), Source(size)
        one = b"".join(first.chunks())
        assert len(one) == size
        assert b"".join(second.chunks(piece)) == one
        assert first.read() == b""
    assert one[:BLOCK] != one[BLOCK : 2 * BLOCK]


def test_nowhere_counts() -> None:
    target = Nowhere()
    assert (target.write(b"abc"), target.write(b"de"), target.size) == (3, 2, 5)


@pytest.mark.long
def test_a_run_on_a_real_server_stores_prints_and_keeps_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "runs.json"
    arguments = ["--size", "6", "--rounds", "1", "--linear", "6", "--json", str(kept), "--aws", ""]
    assert program.main([*arguments, "--only", f"{UP}:{OURS}", "--only", f"{UP}:{BOTO}"]) == 0
    printed = capsys.readouterr().out
    assert "aws is not installed" in printed
    runs = json.loads(kept.read_text())
    assert set(runs) == {name for name, side in SIDES.items() if side.who in (OURS, BOTO) and side.action == UP}
    assert all(run[0]["size"] == 6 * MIB for run in runs.values())
    (with_digests,) = runs[Side(OURS, UP, "md5+sha512").name]
    assert set(with_digests["digests"]) == {"md5", "sha512"}
    assert f"{Side(OURS, UP).name} / {Side(BOTO, UP).name}, throughput" in printed
    assert "unknown length,     6 MiB" in printed


def test_a_run_on_the_sink_uploads_only(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--server", "sink", "--size", "6", "--rounds", "1", "--linear", "--aws", "", "--only", BOTO]
    assert program.main(arguments) == 0
    assert Side(BOTO, DOWN).name not in capsys.readouterr().out


@pytest.mark.server
def test_a_side_that_fails_says_why() -> None:
    nobody = Access("http://127.0.0.1:1", "bucket", "a", "s", "us-east-1", None, None, None)
    with pytest.raises(SideFailed, match=r"(?s)upload:imgstore: .*StoreUnavailable"):
        measure(Side(OURS, UP).name, size=1, access=nobody)


def test_verdicts_are_against_the_best_of_the_others() -> None:
    results = {
        Side(OURS, UP).name: [found(Side(OURS, UP), 10.0, cpu=9.0)],
        Side(BOTO, UP).name: [found(Side(BOTO, UP), 20.0)],
        Side(PEER, UP).name: [found(Side(PEER, UP), 5.0)],
        Side(OURS, DOWN).name: [found(Side(OURS, DOWN), 10.0)],
        Side(BOTO, DOWN).name: [found(Side(BOTO, DOWN), 20.0)],
    }
    lines = verdicts(results)
    assert lines[0] == f"MISSED  {Side(OURS, UP).name} / {Side(PEER, UP).name}, throughput: 0.50, at least 1.0"
    assert lines[1] == f"met     {Side(OURS, DOWN).name} / {Side(BOTO, DOWN).name}, throughput: 2.00, at least 1.0"
    assert lines[2].startswith(f"MISSED  {Side(OURS, UP).name}, CPU seconds for each GiB: 9.00")


def test_linearity_tells_the_time_of_each_size() -> None:
    side = Side(OURS, UNKNOWN)
    runs = {size: [found(side, size / MIB / 100, size=size)] for size in (512 * MIB, 256 * MIB)}
    assert linearity(runs) == [
        "unknown length,   256 MiB:   2.56 s, 10.00 ms a MiB",
        "unknown length,   512 MiB:   5.12 s, 10.00 ms a MiB",
    ]
