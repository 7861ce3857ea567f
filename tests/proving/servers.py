"""What `check --prove` finds on the stores that run here: `python -m tests.proving.servers [STORE]...` renews it.

`doc/servers/*.json` have the rows as the command prints them, and the table of `doc/stores.md` is made of those files.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from imgstore.driver import StoreDriver
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.swift import SwiftDriver
from imgstore.model import MIB
from imgstore.proving import Outcome, Result, prove
from tests.s3.places import Place, RgwPlace, SwiftPlace
from tests.support.rgw import RgwServer
from tests.support.swift import SwiftServer, SwiftSettings
from tests.swift.subject import options_of

DOC = Path(__file__).parents[2] / "doc"
FILES = DOC / "servers"
PAGE = DOC / "stores.md"
STORES = {
    "filesystem": "filesystem",
    "ceph-s3": "Ceph 16.2, S3",
    "ceph-swift": "Ceph 16.2, Swift",
    "swift": "Swift 2.38",
    "swift-s3": "Swift 2.38, S3",
}
"""The columns of the table, by file."""
VARYING = {"clock of the storage", "space that is told", "largest object tried"}
"""What says more of the moment than of the store."""
NOTHING = "-"
WORDS = {Result.HOLDS: "yes", Result.BROKEN: "**no**", Result.NOT_APPLICABLE: NOTHING, Result.NOT_TRIED: NOTHING}
PART = 5 * MIB
MARK = "0" * 32
_TABLE = re.compile(r"(?<=<!-- proofs -->\n).*?(?=\n\n)", re.DOTALL)


def rows(store: str, outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """As the command prints them."""
    return [{"store": store, "fact": each.fact, "result": each.result.value, "found": each.found} for each in outcomes]


def table() -> str:
    """Of the files: a row for each fact, a column for each store."""
    found = {store: _by_fact(store) for store in STORES}
    facts = dict.fromkeys(fact for told in found.values() for fact in told)
    lines = [f"| | {' | '.join(STORES.values())} |", f"|---|{'---|' * len(STORES)}"]
    for fact in facts:
        if fact not in VARYING:
            lines.append(f"| {fact} | {' | '.join(told.get(fact, NOTHING) for told in found.values())} |")
    return "\n".join(lines)


def in_page() -> str:
    """The table that the page has."""
    (found,) = _TABLE.findall(PAGE.read_text())
    return str(found)


def _by_fact(store: str) -> dict[str, str]:
    return {row["fact"]: _cell(row) for row in json.loads((FILES / f"{store}.json").read_text())}


def _cell(row: dict[str, str]) -> str:
    return WORDS.get(Result(row["result"]), row["found"])


@contextlib.contextmanager
def _drivers() -> Iterator[dict[str, StoreDriver]]:
    with tempfile.TemporaryDirectory() as directory, RgwServer() as ceph, SwiftServer(SwiftSettings()) as swift:
        yield {
            "filesystem": FilesystemDriver(datadir=directory),
            "ceph-s3": _s3(RgwPlace(ceph)),
            "ceph-swift": SwiftDriver(**options_of(ceph.account(), segment_size=PART)),
            "swift": SwiftDriver(**options_of(swift.account(), segment_size=PART)),
            "swift-s3": _s3(SwiftPlace(swift)),
        }


def _s3(place: Place) -> StoreDriver:
    return place.driver(part_size=PART, read_block_size=PART)


def main(stores: Sequence[str]) -> None:
    """Renews the files of these stores, or of all, and the table."""
    with _drivers() as drivers:
        for store in stores or STORES:
            driver = drivers[store]
            driver.write_mark(MARK)  # type: ignore[attr-defined] # all of them have a place
            driver.expect_mark(MARK)
            driver.check()
            text = json.dumps(rows(store, prove(driver)), indent=2, ensure_ascii=False)
            (FILES / f"{store}.json").write_text(f"{text}\n")
            driver.close()
    PAGE.write_text(_TABLE.sub(lambda _: table(), PAGE.read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
