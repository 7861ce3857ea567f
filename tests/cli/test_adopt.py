"""`imgstore adopt` makes no image that no request can name."""

from __future__ import annotations

import pytest

from imgstore.sql import EVERYTHING, NewImage, SqlCatalog
from tests.cli.support import Shop
from tests.cli.test_purge_service import catalog, put
from tests.support.client import new_id

__all__ = ["catalog"]

ADOPT = ("--data-dir", "data", "--owner", "default")


@pytest.mark.parametrize("key", ["backup", "3D2F6C1E-9B1C-4A55-8D5E-0F4F4C0A7C12"])
def test_an_object_whose_key_names_no_image_is_not_adopted(shop: Shop, catalog: SqlCatalog, key: str) -> None:
    put(shop, key)
    refused = shop.run("adopt", key, *ADOPT)
    assert (refused.status, "no image can be made of it" in refused.err) == (1, True)
    catalog.create(NewImage(key, "default"))  # a host's own identifier
    assert shop.run("adopt", key, *ADOPT).status == 0
    assert catalog.get(key, EVERYTHING).status == "active"


def test_an_image_that_is_made_has_a_format_of_the_api(shop: Shop, catalog: SqlCatalog) -> None:
    key = new_id()
    put(shop, key)
    refused = shop.run("adopt", key, *ADOPT, "--disk-format", "qcow")
    assert (refused.status, "There are: ami" in refused.err) == (2, True)
    assert shop.run("adopt", key, *ADOPT, "--disk-format", "qcow2").status == 0
    assert catalog.get(key, EVERYTHING).disk_format == "qcow2"
