"""The benchmark works, on a few MiB: every side stores and digests the same bytes, and what is printed follows from
them. No figure is asserted here."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
import types
from pathlib import Path
from typing import BinaryIO

import pytest

from bench import __main__ as program
from bench import report
from bench.body import MIB, Body, BodyFile
from bench.core import CHUNKS, costs
from bench.machine import filesystem_type, load_found
from bench.measure import Measurement, SideFailed, measure
from bench.memory import kept_from_the_hypervisor
from bench.report import Goal
from bench.sides import BOTH, IMAGE, LIMIT, OURS, PEER, SIDES, TOOLS, Side, prepare

SIZE = 3 * MIB + 5


def bytes_of(size: int) -> bytes:
    return b"".join(Body(size))


def expected(algorithms: tuple[str, ...], size: int = SIZE) -> dict[str, str]:
    return {name: hashlib.new(name, bytes_of(size)).hexdigest() for name in algorithms}


def found(side: str, seconds: float, *, cpu: float = 1.0, digest: str = "same") -> Measurement:
    return Measurement(side, 1024 * MIB, seconds, cpu, 0.1, 0, 0.0, {"md5": digest})


@pytest.fixture(autouse=True)
def short_look_at_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "load_found", functools.partial(load_found, 0.01))


def test_a_body_has_the_size_asked_for_and_does_not_repeat_itself() -> None:
    for size in (0, 1, MIB, SIZE, 130 * MIB):
        assert sum(len(piece) for piece in Body(size)) == size
    chunks = list(Body(128 * MIB))
    assert chunks[:64] != chunks[64:]
    assert len(set(chunks)) == 64


def test_a_body_is_the_same_bytes_however_it_is_cut() -> None:
    for piece in (64 * 1024, 256 * 1024):
        body = Body(SIZE, piece=piece)
        assert {len(chunk) for chunk in list(body)[:-1]} == {piece}
        assert b"".join(body) == bytes_of(SIZE)
    with pytest.raises(ValueError, match="divide"):
        Body(SIZE, piece=1000)


def test_a_body_as_a_file_ends_with_empty_bytes_and_refuses_other_reads() -> None:
    file = BodyFile(Body(MIB))
    assert file.read(MIB) == bytes_of(MIB)
    assert file.read(MIB) == b""
    with pytest.raises(ValueError, match="reads of"):
        file.read(7)


@pytest.mark.parametrize("name", [name for name, side in SIDES.items() if side.who in (OURS, LIMIT)])
def test_a_side_digests_every_byte_and_ours_store_it(name: str, tmp_path: Path) -> None:
    side = SIDES[name]
    assert prepare(side, size=SIZE, datadir=tmp_path, source=None)() == expected(side.algorithms)
    stored = [bytes_of(SIZE)] if side.who == OURS else []
    assert [path.read_bytes() for path in tmp_path.iterdir()] == stored


def test_the_tools_copy_and_digest_the_source_that_they_need(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes_of(SIZE))
    target.mkdir()
    assert prepare(Side(TOOLS, BOTH), size=SIZE, datadir=target, source=source)() == expected(BOTH)
    assert (target / IMAGE).read_bytes() == bytes_of(SIZE)
    with pytest.raises(ValueError, match="source"):
        prepare(Side(TOOLS, BOTH), size=SIZE, datadir=tmp_path, source=None)


@pytest.fixture
def stand_in_for_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the benchmark uses of the peer, with the peer's own signatures: it is not installed where tests run."""
    from oslo_config import cfg

    class Store:
        def __init__(self, conf: cfg.ConfigOpts) -> None:
            self.conf = conf
            conf.register_opts([cfg.StrOpt("filesystem_store_datadir")], group="glance_store")

        def configure(self, re_raise_bsc: bool = False) -> None:
            self.datadir = Path(self.conf.glance_store.filesystem_store_datadir)

        def add(
            self, image_id: str, image_file: BinaryIO, image_size: int, hashing_algo: str
        ) -> tuple[str, int, str, str, dict[str, str]]:
            data = b"".join(iter(lambda: image_file.read(65536), b""))
            (self.datadir / image_id).write_bytes(data)
            md5, value = (hashlib.new(name, data).hexdigest() for name in ("md5", hashing_algo))
            return "file://", len(data), md5, value, {}

    module = types.ModuleType("glance_store._drivers.filesystem")
    module.Store = Store  # type: ignore[attr-defined]  # a module made here has no declared attributes
    for name in ("glance_store", "glance_store._drivers"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize("name", [name for name, side in SIDES.items() if side.who == PEER])
@pytest.mark.usefixtures("stand_in_for_the_peer")
def test_the_peer_is_called_as_its_users_call_it(name: str, tmp_path: Path) -> None:
    side = SIDES[name]
    assert prepare(side, size=SIZE, datadir=tmp_path, source=None)() == expected(side.algorithms)
    assert (tmp_path / IMAGE).read_bytes() == bytes_of(SIZE)


def test_a_side_is_measured_in_another_process_and_leaves_nothing(tmp_path: Path) -> None:
    measured = measure("digests:md5+sha512", size=SIZE, datadir=tmp_path, source=None)
    assert (measured.digests, measured.size) == (expected(BOTH), SIZE)
    with pytest.raises(SideFailed, match="needs a source"):
        measure("coreutils:md5+sha512", size=SIZE, datadir=tmp_path, source=None)
    assert list(tmp_path.iterdir()) == []


def test_the_type_of_a_filesystem_is_told() -> None:
    assert filesystem_type(Path("/proc/self")) == "proc"


def test_of_memory_kept_from_the_hypervisor_only_one_page_of_each_mib_is_taken() -> None:
    before = _resident_pages()
    with kept_from_the_hypervisor(512 * MIB):
        taken = _resident_pages() - before
    assert 512 <= taken < 2 * 512
    assert _resident_pages() - before < 256


def test_a_run_prints_load_table_and_verdicts_and_keeps_every_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--size", "2", "--rounds", "2", "--datadir", str(tmp_path), "--json", str(tmp_path / "out.json")]
    assert program.main([*arguments, "--only", "imgstore:md5+sha512:fsync", "--only", "digests:md5+sha512"]) == 0
    told = capsys.readouterr().out
    assert "load at the start" in told
    assert "load at the end" in told
    assert "imgstore:md5+sha512:fsync / digests:md5+sha512, throughput: " in told
    ours = [f"imgstore:md5+sha512:fsync{kind}" for kind in ("", ":64KiB", ":direct")]
    kept = json.loads((tmp_path / "out.json").read_text())
    assert {name: len(runs) for name, runs in kept["runs"].items()} == dict.fromkeys([*ours, "digests:md5+sha512"], 2)
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    order = [line.split()[2] for line in told.splitlines() if line.startswith("round ")]
    assert sorted(order[:4]) == sorted(order[4:])
    assert order[0] != order[4], "each round begins with another side"


def test_a_side_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(SystemExit, match="digests:sha256"):
        program.main(["--only", "nothing"])


def test_a_goal_is_met_from_its_bound_on_upwards_or_downwards() -> None:
    for seconds, word in ((1.0, "met"), (1.5, "met"), (1.6, "MISSED")):
        results = {"a": [found("a", seconds)] * 3, "b": [found("b", 3.0)] * 3}
        assert Goal("a", "b", at_least=2.0).verdict(results).split()[0] == word
    for cpu, word in ((1.0, "met"), (1.01, "MISSED")):
        results = {"a": [found("a", 1.0, cpu=cpu)], "b": [found("b", 1.0)]}
        assert Goal("a", "b", figure=report.cpu, at_most=1.0).verdict(results).split()[0] == word


def test_a_verdict_is_on_medians_and_tells_the_rounds() -> None:
    results = {"a": [found("a", seconds) for seconds in (1.0, 2.0, 8.0)], "b": [found("b", 4.0)] * 3}
    assert "2.00 (0.50 to 4.00)" in Goal("a", "b").verdict(results)


def test_a_goal_without_both_sides_is_not_measured() -> None:
    assert Goal("a", "b", at_least=1.0).verdict({"a": [found("a", 1.0)]}).startswith("not measured")


def test_goals_are_about_sides_that_exist() -> None:
    assert {side for goal in report.GOALS for side in (goal.side, goal.reference)} <= set(SIDES)


def test_sides_that_found_different_digests_are_told() -> None:
    agreed = {"a": [found("a", 1.0)], "b": [found("b", 1.0)]}
    assert report.disagreement(agreed) is None
    assert "md5" in (report.disagreement({**agreed, "c": [found("c", 1.0, digest="other")]}) or "")


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_the_core_is_measured_in_chunks_of_each_size() -> None:
    found_costs = costs(2 * MIB)
    assert [cost.chunk for cost in found_costs] == list(CHUNKS)
    assert all(cost.core > 0 and "of its md5" in str(cost) for cost in found_costs)


def test_a_reference_without_measurable_cpu_gives_no_verdict() -> None:
    goal = Goal("ours", "theirs", figure=report.cpu, at_most=1.0)
    verdict = goal.verdict({"ours": [found("ours", 1.0)], "theirs": [found("theirs", 1.0, cpu=0.0)]})
    assert verdict.startswith("too short")
