"""The wrapper keeps what laws a driver of glance_store lets it keep: here its filesystem driver, which writes under the
final name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.driver import StoreDriver
from imgstore.drivers.glance_store import GlanceStoreDriver
from imgstore.testing import Bench, Subject, working_bench
from imgstore.testing.naming import NamingLaws
from imgstore.testing.resources import ResourceLaws
from imgstore.testing.sizes import SizeLaws

pytestmark = pytest.mark.long  # as RBD, by which the same driver is tested


class FileSubject(Subject):
    """A directory."""

    borders = (64 * 1024,)

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / "images").mkdir()

    def open(self) -> StoreDriver:
        return self._driver(self._root / "images")

    def broken(self) -> StoreDriver:
        (self._root / "file").touch()
        return self._driver(self._root / "file" / "images")

    def inventory(self) -> set[str]:
        return {path.name for path in (self._root / "images").iterdir()}

    def _driver(self, directory: Path) -> StoreDriver:
        settings = {"filesystem_store_datadir": str(directory)}
        return GlanceStoreDriver(
            driver="file", settings=settings, url_template=f"file://{directory}/{{key}}", patience=5.0
        )


class TestFile(SizeLaws, NamingLaws, ResourceLaws):
    """What is left out: it is visible before the commit, has no ETag, and refuses a second upload at its beginning."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        with working_bench(FileSubject(tmp_path)) as bench:
            yield bench
