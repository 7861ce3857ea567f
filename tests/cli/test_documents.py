"""What doc/cli.md shows is what the commands print; figures apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imgstore.cli import failures
from imgstore.cli.app import GROUPS
from tests.cli.support import ROOT
from tests.cli.transcript import DOCUMENTS, masked, renewed


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_transcripts_are_current(path: Path) -> None:
    text = path.read_text()
    assert masked(text), f"{path.name} has no transcript"
    assert masked(renewed(text)) == masked(text), "run: python -m tests.cli.transcript"


def test_every_command_and_exit_status_is_documented() -> None:
    text = (ROOT / "doc" / "cli.md").read_text()
    for commands in GROUPS.values():
        assert [name for name in commands if f"`imgstore {name}" not in text] == []
    statuses = set(re.findall(r"(?m)^    (\d+)(?:, (\d+))?(?:, (\d+))?  ", failures.__doc__ or ""))
    said = {number for row in statuses for number in row if number}
    assert said == set(re.findall(r"(?m)^\| (\d+) \|", text))
