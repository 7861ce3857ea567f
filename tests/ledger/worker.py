"""One process of `test_under_load`: many uploads at once, again and again, through stores that fail at random.

A line of JSON on standard input begins a run, a line on standard output ends it. What the stores do is chosen by a
seed: writing, committing (before and after the effect) and deleting fail, now and then.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from imgstore import errors
from imgstore.driver import ObjectWriter
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import ObjectInfo, UploadRequest
from imgstore.sql import PARTS, LedgerHooks, NewImage, SqlCatalog, SqlLedger, opened
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService, UploadSettings

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


@dataclass(frozen=True)
class Image:
    """What is to be uploaded."""

    id: str
    size: int


class House:
    """Catalog, ledger and the stores of one run; every project has `limit` bytes."""

    def __init__(self, url: str, directory: Path, limit: int, dice: random.Random | None) -> None:
        self.database = opened(url, PARTS, busy_timeout=120)
        self.ledger = SqlLedger(self.database, FixedLimits(Allowance(size=limit)), tick=0.05, patience=20)
        self.catalog = SqlCatalog(self.database, quota_hooks=LedgerHooks(self.ledger))
        self.turn(directory, dice)

    def close(self) -> None:
        """Ends what looks after the holds, and returns the connections."""
        self.ledger.close()

    def turn(self, directory: Path, dice: random.Random | None) -> None:
        """From now on the stores are in `directory`."""
        stores = [Store(name, FailingDriver(directory / name, dice)) for name in STORES]
        settings = UploadSettings(hash_algo="sha256", checksum=False)
        self.uploads = UploadService(
            StoreSet(stores, default=STORES[0]), catalog=self.catalog, quota=self.ledger, settings=settings
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


class Run:
    """The uploads of one run."""

    def __init__(self, house: House, project: str, seed: int, uploads: int) -> None:
        self._house = house
        self._project = project
        self._seed = seed
        self._barrier = threading.Barrier(uploads)
        self.refused: list[Image] = []
        self.failed: list[str] = []

    def __call__(self) -> None:
        """Runs them all at once."""
        threads = [threading.Thread(target=self._upload, args=(each,)) for each in range(self._barrier.parties)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _upload(self, number: int) -> None:
        choose = random.Random(self._seed * self._barrier.parties + number)
        image = self._house.new(self._project, choose.randint(1, LARGEST))
        known = choose.random() < 0.5
        self._barrier.wait()
        try:
            self._retried(image, choose.choice(STORES), known)
        except errors.QuotaExceeded:
            self.refused.append(image)
        except errors.StoreUnavailable:
            pass  # as often as it was tried
        except Exception as error:  # noqa: BLE001 - told to the test, which fails
            self.failed.append(f"{type(error).__name__}: {error} {getattr(error, 'detail', '')}")

    def _retried(self, image: Image, store: str, known: bool) -> None:
        for _ in range(TRIES - 1):
            with contextlib.suppress(errors.StoreUnavailable):
                return self._house.upload(image, store, known=known)
        return self._house.upload(image, store, known=known)


def main(url: str, limit: int, uploads: int) -> None:
    """Until standard input ends."""
    house: House | None = None
    for line in sys.stdin:
        order = json.loads(line)
        directory, seed = Path(order["directory"]), order["seed"]
        house = house or House(url, directory, limit, None)
        house.turn(directory, random.Random(seed) if order["failing"] else None)
        run = Run(house, order["project"], seed, uploads)
        run()
        refused = [[image.id, image.size] for image in run.refused]
        print(json.dumps({"refused": refused, "failed": run.failed}), flush=True)  # noqa: T201 - it is the answer
    if house is not None:
        house.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
