"""The table of what stores keep is made of the files that the command wrote."""

from __future__ import annotations

import json

from imgstore.proving import Result
from tests.proving.servers import FILES, STORES, in_page, table


def test_the_page_has_the_table_of_the_files() -> None:
    assert in_page() == table(), "run: python -m tests.proving.servers"
    assert {path.stem for path in FILES.iterdir()} == set(STORES)


def test_each_store_was_proved_whole() -> None:
    for store in STORES:
        rows = json.loads((FILES / f"{store}.json").read_text())
        assert len(rows) >= 20
        assert {"broken", "not tried"}.isdisjoint(Result(row["result"]).value for row in rows), store
