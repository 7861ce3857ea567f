"""A process that uploads an image, begins to copy it, and dies: `python -m tests.service.dying_copy ROOT POINT`.

It has the stores and the catalog of a `ServiceProcess` below ROOT, prints the image's identifier, and ends by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from imgstore import CopyRequest, CopyService, DownloadService, Store, StoreSet, UploadRequest, UploadService
from imgstore.drivers.filesystem import FilesystemDriver, staging
from imgstore.drivers.filesystem.writer import FileWriter
from imgstore.model import MIB, Attempt, Location, ObjectInfo
from imgstore.sql import NewImage, SqlCatalog
from tests.support.client import new_id

POINTS = ("granted", "open", "write", "commit", "committed", "added")
CONTENT = bytes(range(256)) * (4 * MIB // 256)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _DyingWriter(FileWriter):
    point = ""

    def _write(self, chunk: bytes | memoryview) -> None:
        super()._write(chunk)
        if self.point == "write" and self.total >= MIB:
            die()

    def _commit(self) -> ObjectInfo:
        if self.point == "commit":
            die()
        info = super()._commit()
        if self.point == "committed":
            die()
        return info


class DyingDriver(FilesystemDriver):
    """Stages under hidden names, so that what is left can be seen."""

    STAGINGS = (staging.named,)
    point = ""

    def _open_writer(self, key: str, size: int | None) -> FileWriter:
        writer = super()._open_writer(key, size)
        if self.point == "open":
            die()
        writer.__class__ = _DyingWriter
        assert isinstance(writer, _DyingWriter)
        writer.point = self.point
        return writer


class DyingCatalog(SqlCatalog):
    def add_locations(self, attempt: Attempt, locations: Sequence[Location]) -> None:
        super().add_locations(attempt, locations)
        die()


def main(root: Path, point: str) -> None:
    """Does not return."""
    slow = DyingDriver(datadir=str(root / "slow"))
    stores = StoreSet(
        [Store("fast", FilesystemDriver(datadir=str(root / "fast"))), Store("slow", slow)], default="fast"
    )
    stores.check()
    catalog = (DyingCatalog if point == "added" else SqlCatalog)(f"sqlite:///{root}/imgstore.sqlite")
    image_id = catalog.create(NewImage(new_id(), "default", disk_format="raw", container_format="bare")).id
    with UploadService(stores, catalog=catalog).begin(UploadRequest(image_id)) as session:
        session.write(CONTENT)
        session.finish()
    sys.stdout.write(image_id)
    sys.stdout.flush()
    slow.point = point
    copies = CopyService(stores, catalog=catalog, downloads=DownloadService(stores, source=catalog))
    copy = copies.begin(CopyRequest(image_id, ["slow"]))
    if point == "granted":
        die()
    copy.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
