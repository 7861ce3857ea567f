"""The benchmark by HTTP works, on small images. No figure is asserted here."""

from __future__ import annotations

import functools

import pytest

from bench.http import __main__ as program
from bench.http.servers import NGINX, OURS, TWICE
from bench.machine import load_found


@pytest.mark.long
def test_a_run_measures_large_and_small_images(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "load_found", functools.partial(load_found, 0.01))
    monkeypatch.setattr(program, "PEERS", {side: program.PEERS[side] for side in (OURS, TWICE, NGINX)})
    assert (
        program.main(
            ["--size", "8", "--rounds", "1", "--at-once", "2", "--each", "4", "--uploads", "8", "--clients", "4"]
        )
        == 0
    )
    told = capsys.readouterr().out
    assert [line.count("imgstore") for line in told.splitlines() if "4 at once" in line] == [1, 1, 0]
    assert "upload:imgstore / upload:nginx" in told
    assert told.count("last / first") == 2
    assert "failed" not in told
