"""One process of `test_under_load`: many uploads at once, again and again, through stores that fail at random.

A line of JSON on standard input begins a run, a line on standard output ends it. What the stores do is chosen by a
seed: writing, committing (before and after the effect) and deleting fail, now and then.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import NamedTuple

from imgstore import errors
from imgstore.driver import ObjectWriter
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.hosting import LeasedCatalog
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import ObjectInfo, UploadRequest
from imgstore.sql import PARTS, LedgerHooks, NewImage, SqlCatalog, SqlLedger, opened
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService, UploadSettings
from tests.support.race import together

STORES = ("fast", "slow")
LARGEST = 16_000
CHUNK = 1500
TRIES = 4
FAILING = {"write": 0.02, "commit": 0.06, "committed": 0.06, "delete": 0.3}


class Failing(Exception):
    """What the storage raises."""


class FailingDriver(FilesystemDriver):
    """A filesystem that fails now and then; `dice` None: never."""

    def __init__(self, datadir: Path, dice: random.Random | None) -> None:
        super().__init__(datadir=str(datadir), fsync=False)
        self._dice = dice

    def fail(self, step: str) -> None:
        """Raises Failing, or does not."""
        if self._dice is not None and self._dice.random() < FAILING[step]:
            raise Failing(step)

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:  # type: ignore[override]  # it wraps the writer
        return _Writer(super()._open_writer(key, size), self)

    def _delete(self, key: str) -> None:
        self.fail("delete")
        super()._delete(key)


class _Writer(ObjectWriter):
    def __init__(self, writer: ObjectWriter, driver: FailingDriver) -> None:
        self._writer = writer
        self._driver = driver

    def _write(self, chunk: bytes | memoryview) -> None:
        self._driver.fail("write")
        self._writer._write(chunk)

    def _commit(self) -> ObjectInfo:
        self._driver.fail("commit")
        info = self._writer._commit()
        self._driver.fail("committed")
        return info

    def _abort(self) -> None:
        self._writer._abort()


class Image(NamedTuple):
    """What is to be uploaded."""

    id: str
    size: int


class House:
    """Catalog and ledger, and after `turn` the stores of one run; every project has `limit` bytes."""

    def __init__(self, url: str, limit: int) -> None:
        self.database = opened(url, PARTS, busy_timeout=120)
        self.ledger = SqlLedger(self.database, FixedLimits(Allowance(size=limit)), tick=0.05, patience=20)
        self.catalog = SqlCatalog(self.database, quota_hooks=LedgerHooks(self.ledger))

    def close(self) -> None:
        """Ends what looks after the holds, and returns the connections."""
        self.ledger.close()

    def turn(self, directory: Path, dice: random.Random | None) -> None:
        """From now on the stores are in `directory`."""
        stores = [Store(name, FailingDriver(directory / name, dice)) for name in STORES]
        settings = UploadSettings(hash_algo="sha256", checksum=False)
        self.uploads = UploadService(
            StoreSet(stores, default=STORES[0]),
            catalog=LeasedCatalog(self.catalog),
            quota=self.ledger,
            settings=settings,
        )

    def new(self, project: str, size: int) -> Image:
        """A queued image."""
        image = NewImage(str(uuid.uuid4()), project, disk_format="raw", container_format="bare")
        return Image(self.catalog.create(image).id, size)

    def upload(self, image: Image, store: str, *, known: bool) -> None:
        """One try."""
        request = UploadRequest(image.id, stores=(store,), size=image.size if known else None)
        with self.uploads.begin(request) as session:
            for start in range(0, image.size, CHUNK):
                session.write(bytes(min(CHUNK, image.size - start)))
            session.finish()


def upload(house: House, project: str, choose: random.Random) -> Image | None:
    """An upload that is tried again as a client would; the image, if it is refused for the quota."""
    image, known, store = house.new(project, choose.randint(1, LARGEST)), choose.random() < 0.5, choose.choice(STORES)
    for _ in range(TRIES):
        try:
            house.upload(image, store, known=known)
        except errors.QuotaExceeded:
            return image
        except errors.StoreUnavailable:
            continue
        break
    return None


def main(url: str, limit: int, uploads: int) -> None:
    """Runs until standard input ends. Answers with what each upload returned or raised."""
    with contextlib.closing(House(url, limit)) as house:
        for line in sys.stdin:
            order = json.loads(line)
            house.turn(Path(order["directory"]), random.Random(order["seed"]) if order["failing"] else None)
            dice = (random.Random(order["seed"] * uploads + number) for number in range(uploads))
            found = together(*(partial(upload, house, order["project"], choose) for choose in dice))
            print(json.dumps(found, default=str), flush=True)  # noqa: T201 - it is the answer


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
