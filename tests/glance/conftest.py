"""A Glance from the index whose stores are imgstore's, for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.glance.house import House, filesystem_backends
from tests.support.glance import GlanceServer, prepared


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new Glance's database and policy, to be copied."""
    return prepared(tmp_path_factory.mktemp("glance"))


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Iterator[House]:
    """Glance under uwsgi, on directories."""
    root = tmp_path_factory.mktemp("house")
    (root / "closed").mkdir()  # it is only read, so Glance does not make it
    with GlanceServer(root, database, filesystem_backends(root)) as glance:
        yield House(glance)
