"""The process that children are forked from: all is imported and there is one thread, so a fork is quick and safe.

One line of JSON on standard input begets one child (see `Order`); the answer is `child <pid>`. The child uploads image
after image, prints `begin <image>` before each, and dies by SIGKILL: of its own at a chosen event of an upload, or by
whoever reads. `dead <status>` follows when it is gone.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
from dataclasses import dataclass
from types import FrameType

from imgstore.catalog import MemoryCatalog
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.model import MIB, UploadRequest
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService
from tests.filesystem.support import BOTH, Direct

SIZE = 3 * MIB // 2 + 17
CHUNK = 64 * 1024
KINDS: dict[str, type[FilesystemDriver]] = {kind.__name__: kind for kind in BOTH} | {"Direct": Direct}


@dataclass(frozen=True)
class Order:
    """What a child does: where, with which kind of driver, and at which event of its second upload it dies. `moment`:
    0 to 1, of all; `step`: which from the first of the commit. Neither: at none."""

    datadir: str
    kind: str
    moment: float | None = None
    step: int | None = None

    @property
    def counts(self) -> bool:
        """Whether it dies at an event."""
        return self.moment is not None or self.step is not None


def content_of(image: str) -> bytes:
    """Each image's own bytes, the same in every process."""
    return random.Random(image).randbytes(SIZE)


def service_on(driver: FilesystemDriver, catalog: MemoryCatalog) -> UploadService:
    """The core over one store."""
    return UploadService(StoreSet([Store("fast", driver)], default="fast"), catalog=catalog)


def upload(service: UploadService, catalog: MemoryCatalog, image: str) -> None:
    """One image through the core, in chunks."""
    content = content_of(image)
    with service.begin(UploadRequest(image, size=SIZE)) as session:
        for start in range(0, SIZE, CHUNK):
            session.write(content[start : start + CHUNK])
        session.finish()


class Events:
    """Counts the calls into C that the main thread makes: system calls, locks, whatever; kills at number `fatal`."""

    def __init__(self, fatal: int | None = None) -> None:
        self.seen = 0
        self._commit = 0
        self._fatal = fatal

    def chosen(self, order: Order) -> int:
        """The number at which another upload is to end."""
        return self._commit + order.step if order.step is not None else 1 + int((order.moment or 0) * self.seen)

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("c_call", "c_return"):
            self.seen += 1
            if argument is os.fsync and not self._commit:
                self._commit = self.seen
            if self.seen == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)


def say(line: str) -> None:
    """One line, at once, to whoever reads."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def live(order: Order) -> None:
    """A child's life: it does not return."""
    catalog = MemoryCatalog()
    service = service_on(KINDS[order.kind](datadir=order.datadir), catalog)
    events = Events()
    for number in itertools.count():
        image = f"image-{number}"
        catalog.create(image)
        content_of(image)
        say(f"begin {image}")
        sys.setprofile(events if order.counts else None)
        upload(service, catalog, image)
        sys.setprofile(None)
        if order.counts:
            events = Events(events.chosen(order))


def main() -> None:
    """Reads orders until standard input ends."""
    for line in sys.stdin:
        order = Order(**json.loads(line))
        child = os.fork()
        if child == 0:
            live(order)
        say(f"child {child}")
        _, status = os.waitpid(child, 0)
        say(f"dead {status}")


if __name__ == "__main__":
    main()
