"""A real Keystone for each module that asks for one: what is changed in it is seen there alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.keystone import Keystone


@pytest.fixture(scope="module")
def keystone(new_keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """With its projects, users and roles."""
    with new_keystone.copy(tmp_path_factory.mktemp("keystone")) as keystone:
        keystone.populate()
        yield keystone
