"""The sides of the comparison: what each does with the body, all of them behind one function.

`prepare(side, ...)` does what costs before the first byte - imports, the body, configuration - and returns what is
measured: a call that stores or digests the body and returns the digests in hex.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.body import MIB, Body, BodyFile

if TYPE_CHECKING:
    from imgstore.driver import StoreDriver

Run = Callable[[], dict[str, str]]

OURS, PEER, TOOLS, LIMIT = "imgstore", "glance_store", "coreutils", "digests"
PEER_READ = 64 * 1024
IMAGE = "5f0c8a52-6a0e-4a0f-9a39-3c5b8a6e7d10"


@dataclass(frozen=True)
class Side:
    """Who stores, with which digests, whether it waits for the disk, in chunks of how many bytes it gets them, and
    whether it goes past the page cache though it fits."""

    who: str
    algorithms: tuple[str, ...]
    fsync: bool = False
    chunk: int = MIB
    direct: bool = False

    @property
    def name(self) -> str:
        """How tables, options and files name the side."""
        parts = [self.who, "+".join(self.algorithms)]
        if self.fsync:
            parts.append("fsync")
        if self.direct:
            parts.append("direct")
        if self.who == OURS and self.chunk != MIB:
            parts.append(f"{self.chunk // 1024}KiB")
        return ":".join(parts)


BOTH, SHA512, BOTH256, SHA256 = ("md5", "sha512"), ("sha512",), ("md5", "sha256"), ("sha256",)

SIDES = {
    side.name: side
    for side in (
        *(Side(OURS, algorithms, fsync) for algorithms in (BOTH, SHA512, BOTH256, SHA256) for fsync in (True, False)),
        Side(OURS, BOTH, fsync=True, chunk=64 * 1024),
        Side(OURS, BOTH, fsync=True, direct=True),
        Side(PEER, BOTH, chunk=PEER_READ),
        Side(PEER, BOTH256, chunk=PEER_READ),
        Side(TOOLS, BOTH),
        Side(LIMIT, BOTH),
        Side(LIMIT, SHA256),
    )
}


def prepare(side: Side, *, size: int, datadir: Path, source: Path | None) -> Run:
    """What is measured of `side`; it writes below `datadir`. `source` is the body as a file, for those who read one."""
    if side.who == TOOLS:
        if source is None:
            raise ValueError(f"{side.name} needs a source file.")
        return _coreutils(side, datadir, source)
    body = Body(size, piece=side.chunk)
    return {OURS: _ours, PEER: _peer, LIMIT: _limit}[side.who](side, body, datadir)


def _ours(side: Side, body: Body, datadir: Path) -> Run:
    from imgstore.drivers.filesystem import FilesystemDriver

    direct_io = "on" if side.direct else "auto"
    driver = FilesystemDriver(datadir=str(datadir), fsync=side.fsync, direct_io=direct_io, thin_provisioning=False)
    driver.check()
    return our_session(driver, body, size=body.size, algorithms=side.algorithms)


def our_session(driver: StoreDriver, chunks: Iterable[bytes], *, size: int, algorithms: Sequence[str]) -> Run:
    """An upload as a host makes it, to a store on `driver`: md5 if it is among the algorithms, and the last of them."""
    from imgstore.catalog import MemoryCatalog
    from imgstore.model import UploadRequest
    from imgstore.store import Store, StoreSet
    from imgstore.transfers.upload import UploadService, UploadSettings

    catalog = MemoryCatalog()
    catalog.create(IMAGE)
    checksum = "md5" in algorithms
    settings = UploadSettings(hash_algo=algorithms[-1], checksum=checksum)
    uploads = UploadService(StoreSet([Store("bench", driver)], default="bench"), catalog=catalog, settings=settings)

    def run() -> dict[str, str]:
        with uploads.begin(UploadRequest(IMAGE, size=size)) as session:
            for chunk in chunks:
                session.write(chunk)
            result = session.finish()
        return {result.hash_algo: result.hash_value} | ({"md5": result.checksum or ""} if checksum else {})

    return run


def _peer(side: Side, body: Body, datadir: Path) -> Run:
    """As Glance calls it: the store's `add`, configured by oslo.config, the size known, a file with `read`."""
    from oslo_config import cfg

    # By name, since the peer lives in the benchmark's own environment only.
    filesystem = importlib.import_module("glance_store._drivers.filesystem")
    logging.getLogger("glance_store").setLevel(logging.ERROR)
    conf = cfg.ConfigOpts()
    store = filesystem.Store(conf)
    conf([], project="bench", default_config_files=[], default_config_dirs=[])
    conf.set_override("filesystem_store_datadir", str(datadir), group="glance_store")
    store.configure(re_raise_bsc=True)

    def run() -> dict[str, str]:
        algorithm = side.algorithms[-1]
        _, written, md5, value, _ = store.add(IMAGE, BodyFile(body), body.size, algorithm)
        if written != body.size:
            raise ValueError(f"{written} bytes were written.")
        return {"md5": md5, algorithm: value}

    return run


def _coreutils(side: Side, datadir: Path, source: Path) -> Run:
    commands = [["cp", str(source), str(datadir / IMAGE)]] + [[f"{name}sum", str(source)] for name in side.algorithms]

    def run() -> dict[str, str]:
        with contextlib.ExitStack() as running:
            started = [
                running.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
                for command in commands
            ]
            answers = [process.communicate()[0] for process in started]
        if any(process.returncode for process in started):
            raise RuntimeError(f"One of {commands} failed.")
        return {name: answer.split()[0] for name, answer in zip(side.algorithms, answers[1:], strict=True)}

    return run


def _limit(side: Side, body: Body, datadir: Path) -> Run:
    def digest(name: str, found: dict[str, str]) -> None:
        hash_ = hashlib.new(name, usedforsecurity=False)
        for chunk in body:
            hash_.update(chunk)
        found[name] = hash_.hexdigest()

    def run() -> dict[str, str]:
        found: dict[str, str] = {}
        threads = [threading.Thread(target=digest, args=(name, found)) for name in side.algorithms]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    return run
