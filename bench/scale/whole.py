"""What goes over everything: `usage --recompute`, and `verify` of a directory, which has a process for its memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import time
from pathlib import Path

from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.service.cleanup.verify import Verification
from imgstore.sql import Database, SqlCatalog, compare
from imgstore.store import Store, StoreSet
from tests.support.many_images import SIZE, STORE, image_id

MIB = 1024 * 1024
ONE_IN = 33


def compare_usage(database: Database) -> None:
    """Tells how long it takes."""
    begin = time.perf_counter()
    compare(database)
    print(f"{'usage --recompute':24}{time.perf_counter() - begin:9.1f} s", flush=True)


def verify(url: str, directory: Path, files: int) -> None:
    """The same of a store with so many files; then three in a hundred are taken away."""
    directory.mkdir()
    for number in range(files):
        (directory / image_id(number)).write_bytes(bytes(SIZE))
    _tell("verify, all is well", url, directory)
    for number in range(0, files, ONE_IN):
        (directory / image_id(number)).unlink()
    _tell("verify, 3 % are missing", url, directory)


def _tell(name: str, url: str, directory: Path) -> None:
    begin = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found, peak = pool.apply(verified, (url, directory))
    seconds = time.perf_counter() - begin
    print(f"{name:24}{seconds:9.1f} s: {found} differences, {peak / MIB:.0f} MiB at most", flush=True)


def verified(url: str, directory: Path) -> tuple[int, int]:
    """How many differences there are, and the most memory that this process had."""
    with contextlib.closing(SqlCatalog(url)) as catalog:
        store = Store(STORE, FilesystemDriver(datadir=str(directory)))
        verification = Verification(catalog, StoreSet([store], default=STORE))
        differences = sum(1 for _ in verification.of_store(store))
    return differences, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
