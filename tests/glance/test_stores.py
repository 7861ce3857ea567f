"""The drivers of glance_store without Glance: the contract of `glance_store.driver.Store`, and nothing left of failures."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from glance_store import exceptions, location
from oslo_config import cfg

from imgstore.driver.place import NOTES
from imgstore.glance.stores import FileStore, Store
from tests.support.client import new_id

BODY = bytes(range(256)) * 10_000
NewStore = Callable[..., Any]


@pytest.fixture
def new_store(tmp_path: Path) -> NewStore:
    """A store as Glance makes it, of one configuration; not yet configured."""
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[])
    conf.register_opt(cfg.DictOpt("enabled_backends", default={"fast": "imgstore_file", "slow": "imgstore_file"}))

    def new(identifier: str = "fast", *, kind: type[Store] = FileStore, **options: object) -> Any:
        given = {"datadir": str(tmp_path / identifier), "places_dir": str(tmp_path / "places"), **options}
        conf.register_opts([cfg.StrOpt(name) for name in given], group=identifier)
        for name, value in given.items():
            conf.set_default(name, str(value), group=identifier)
        conf.clear()
        conf.unregister_opts([cfg.StrOpt(name) for name in given], group=identifier)
        return kind(conf, identifier)

    return new
