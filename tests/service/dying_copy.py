"""A process that uploads an image, begins to copy it, and dies: `python -m tests.service.dying_copy ROOT POINT`.

It has the stores and the catalog of a `ServiceProcess` below ROOT, prints the image's identifier, and ends by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from imgstore import CopyRequest, CopyService, DownloadService, Store, StoreSet, UploadRequest, UploadService
from imgstore.drivers.filesystem import FilesystemDriver, staging
from imgstore.drivers.filesystem.writer import FileWriter
from imgstore.hosting import LeasedCopyCatalog
from imgstore.model import MIB
from imgstore.sql import NewImage, SqlCatalog
from imgstore.transfers.places import settle
from tests.support.client import new_id

POINTS: dict[str, tuple[type, str, bool]] = {
    "granted": (CopyService, "begin", True), "open": (FilesystemDriver, "_open_writer", True),
    "write": (FileWriter, "_write", True), "commit": (FileWriter, "_commit", False),
    "committed": (FileWriter, "_commit", True), "added": (SqlCatalog, "add_locations", True),
}  # fmt: skip
"""Where it dies: in which method, and whether at its end or at its beginning."""
CONTENT = bytes(range(256)) * (4 * MIB // 256)


class Staging(FilesystemDriver):
    """Stages under hidden names, so that what is left can be seen."""

    STAGINGS = (staging.named,)


def let_die(owner: type, name: str, at_end: bool) -> None:
    """The next call of the method kills the process."""
    method = getattr(owner, name)

    def call(*arguments: Any, **keywords: Any) -> None:
        if at_end:
            method(*arguments, **keywords)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, call)


def main(root: Path, point: str) -> None:
    """Does not return."""
    fast, slow = FilesystemDriver(datadir=str(root / "fast")), Staging(datadir=str(root / "slow"))
    stores = StoreSet([Store("fast", fast), Store("slow", slow)], default="fast")
    catalog = SqlCatalog(f"sqlite:///{root}/imgstore.sqlite")
    leased = LeasedCopyCatalog(catalog)
    for store in stores:
        settle(store, catalog.places, create=True)
    image_id = catalog.create(NewImage(new_id(), "default", disk_format="raw", container_format="bare")).id
    with UploadService(stores, catalog=leased).begin(UploadRequest(image_id)) as session:
        session.write(CONTENT)
        session.finish()
    sys.stdout.write(image_id)
    sys.stdout.flush()
    let_die(*POINTS[point])
    copies = CopyService(stores, catalog=leased, downloads=DownloadService(stores, source=catalog))
    copies.begin(CopyRequest(image_id, ["slow"])).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
