"""Lays out what a power cut left, and asks a driver that knows nothing of it.

The questions: is what is expected under the key there, and never a part of it; does a purge of everything leave
nothing; does a retry succeed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgstore import errors
from imgstore.driver.place import NOTES
from imgstore.drivers.filesystem import FilesystemDriver
from tests.filesystem.support import get, put
from tests.power.disk import DIRECTORY, Call, Disk, Layout
from tests.power.recorder import Event
from tests.power.scenarios import DATADIR, KEY, MARK, Expected

RETRY = b"retry"


def found_after_cuts(events: Iterable[Event]) -> Iterator[tuple[Expected, Layout]]:
    """Everything that may be found if the power goes after any of the calls, each once, with what is expected then.
    Nothing is asked before the first expectation."""
    disk, expected = Disk(), None
    seen: set[Layout] = set()
    for event in events:
        if isinstance(event, Expected):
            expected, seen = event, set()
        elif isinstance(event, Call):
            disk.apply(event)
        if expected is None:
            continue
        new = dict.fromkeys(layout for layout in disk.layouts() if layout not in seen)
        seen.update(new)
        yield from ((expected, layout) for layout in new)


@dataclass(frozen=True, slots=True)
class Found:
    """What a start finds: the mark of the place, or a new one; the object; and what is wrong in any case."""

    mark: str
    content: bytes | None
    faults: Sequence[str]


class Machine:
    """A machine that starts after the power cut. One directory serves for all; a layout that was there is known."""

    def __init__(self, root: Path, kind: type[FilesystemDriver], content: bytes) -> None:
        self._root = root
        self._datadir = root / DATADIR
        self._kind = kind
        self._content = content
        self._known: dict[Layout, Found] = {}

    @property
    def laid_out(self) -> int:
        """How many layouts there were."""
        return len(self._known)

    def faults(self, expected: Expected, layout: Layout) -> Iterator[str]:
        """What is wrong with this layout."""
        if layout not in self._known:
            self._known[layout] = self._ask(layout)
        found = self._known[layout]
        yield from found.faults
        if found.mark != MARK and expected is not Expected.UNMARKED:
            yield "an acknowledged mark is lost"
        if found.content is None:
            if expected is Expected.ALL:
                yield "an acknowledged object is lost"
        elif found.content != self._content:
            yield "a partial object is visible"
        elif expected in (Expected.NOTHING, Expected.UNMARKED):
            yield "an object is back, or there before its commit"

    def _ask(self, layout: Layout) -> Found:
        lay_out(self._root, layout)
        driver = self._kind(datadir=str(self._datadir), fsync=False)
        mark = driver.read_mark() or driver.write_mark(MARK[::-1])
        driver.check()
        content = _content(driver)
        return Found(mark, content, [*self._after_purge(driver), *self._after_retry(driver)])

    def _after_purge(self, driver: FilesystemDriver) -> Iterator[str]:
        for leftover in driver.leftovers():
            driver.remove_leftover(leftover)
        if set(os.listdir(self._datadir)) - {KEY, *NOTES}:
            yield "a purge leaves something"

    def _after_retry(self, driver: FilesystemDriver) -> Iterator[str]:
        key = f"{KEY}.2" if KEY in os.listdir(self._datadir) else KEY
        try:
            put(driver, key, RETRY)
        except errors.StoreError as error:
            yield f"a retry is refused: {error}"
        else:
            if get(driver, key) != RETRY:
                yield "a retry stores something else"


def lay_out(root: Path, layout: Layout) -> None:
    """Makes the directory `root` exactly this, whatever it was before."""
    _clear(root)
    first: dict[int, str] = {}
    for path, number, content in layout:
        full = f"{root}/{path}"
        if number == DIRECTORY:
            if not os.path.isdir(full):
                os.mkdir(full)
        elif number in first:
            os.link(first[number], full)
        else:
            first[number] = full
            with open(full, "xb") as file:
                file.write(content)


def _clear(root: Path) -> None:
    """Removes all files, and the directories, from the deepest up."""
    for above, _, files in os.walk(root, topdown=False):
        for name in files:
            os.unlink(f"{above}/{name}")
        os.rmdir(above)
    os.mkdir(root)


def _content(driver: FilesystemDriver) -> bytes | None:
    try:
        return get(driver, KEY)
    except errors.ObjectNotFound:
        return None
