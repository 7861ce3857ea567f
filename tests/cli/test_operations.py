"""The commands of doc/operations work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imgstore.sql import SqlCatalog
from tests.cli.support import ROOT, Shop
from tests.cli.test_evacuate import stored, where
from tests.cli.test_purge_service import catalog

__all__ = ["catalog"]

PAGES = [page for page in sorted((ROOT / "doc" / "operations").glob("*.md")) if "```console" in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_the_page_work(shop: Shop, catalog: SqlCatalog, page: Path) -> None:
    kept = stored(shop, catalog, "slow")
    commands = re.findall(r"(?m)^\$ imgstore (.*)$", page.read_text())
    assert commands
    for command in commands:
        done = shop.run(*command.split())
        assert (done.status, done.err) == (0, ""), command
    assert where(catalog, kept) == (["fast"] if "evacuate" in " ".join(commands) else ["slow"])
