"""The capacity of a store reaches the ledger, whichever driver the store has."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstore import config
from imgstore.config.registry import driver_class, driver_names
from imgstore.driver.capabilities import HasCapacity
from imgstore.limits import Allowance

REQUIRED = {"filesystem": "datadir = {0}", "s3": "bucket = images"}
LIMITED = [name for name in driver_names() if any(option.name == "capacity" for option in driver_class(name).OPTIONS)]


@pytest.mark.parametrize("name", LIMITED)
def test_a_store_with_a_capacity_tells_the_ledger(tmp_path: Path, name: str) -> None:
    options = ["capacity = 5", REQUIRED.get(name, "").format(tmp_path)]
    path = tmp_path / "imgstore.conf"
    path.write_text("\n".join(["[imgstore]", f"enabled_stores = limited:{name}", "[limited]", *options]))
    stores = config.build_stores(config.load([str(path)]))
    assert isinstance(stores.resolve("limited").driver, HasCapacity)
    assert config.capacities(stores) == {"limited": Allowance(size=5)}
    stores.close()
