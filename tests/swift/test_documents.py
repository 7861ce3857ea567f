"""doc/swift.md is true: every option is in it, its configurations are good ones, its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from imgstore import config
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.cluster_limits import LONGEST_LINE, Limits
from imgstore.drivers.swift.credentials import read_account
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.model import MIB

DOC = (Path(__file__).parents[2] / "doc" / "swift.md").read_text()
BLOCKS = re.findall(r"```ini\n(.*?)```", DOC, re.DOTALL)
GIB = 1024 * MIB


def test_a_manifest_has_as_many_lines_as_its_size_allows() -> None:
    for largest, lines in ((LONGEST_LINE * 10, 10), (LONGEST_LINE * 10 - 1, 9), (1, 1), (10**9, 1000)):
        assert Limits.of({"slo": {"max_manifest_size": largest}}).max_segments == lines


def test_every_option_is_in_the_document() -> None:
    assert [
        option.name for option in SwiftDriver.OPTIONS if f"`{option.name}" not in DOC and option.name not in DOC
    ] == []


def test_its_configurations_are_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "some.conf"
    for block in BLOCKS:
        path.write_text(block)
        if "[imgstore]" not in block:
            assert read_account(str(path), "ref1", version="3").username == "imgstore"
            continue
        stores = config.build_stores(config.load([str(path)]))
        assert [type(store.driver) for store in stores] == [SwiftDriver]
        stores.close()
    assert len(BLOCKS) == 3


def largest(size: int, *, declared: bool, largest_unknown_size: int) -> int:
    """MiB of the largest segment, rounded up."""
    options = SwiftOptions(multi_tenant=True, largest_unknown_size=largest_unknown_size)
    sizes = Limits.of({}).sizes(options, size if declared else None)
    number, taken, found = 0, 0, 0
    while taken < size:
        number += 1
        found = max(found, sizes.size_of(number))
        taken += sizes.size_of(number)
    return -(-found // MIB)


def test_its_figures_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) GiB \| (\d+) (MiB|GiB) \| (\d+) (MiB|GiB) \| (\d+|refused)", DOC, re.M)
    assert len(rows) == 4
    for row in rows:
        size = int(row[0]) * GIB
        declared, unknown = (int(row[at]) * (1 if row[at + 1] == "MiB" else 1024) for at in (1, 3))
        assert largest(size, declared=True, largest_unknown_size=1024 * GIB) == declared
        assert abs(largest(size, declared=False, largest_unknown_size=1024 * GIB) - unknown) <= 1
        if row[5] != "refused":
            assert largest(size, declared=False, largest_unknown_size=100 * GIB) == int(row[5])
