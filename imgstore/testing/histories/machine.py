"""A driver against a model: random histories of everything that the SPI can do.

Two drivers are on one storage, as two processes have it. A step is a call, or a few; the model says what must come of
it. Keys are of one history only, so what a history that failed leaves harms no other.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import pytest

from imgstore import errors
from imgstore.distribution import needs
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import ClearsLeftovers, CopiesObjects, FindsLeftovers, ListsObjects
from imgstore.testing.bench import Bench, same
from imgstore.testing.histories.model import Download, Stored
from imgstore.testing.histories.search import Search
from imgstore.testing.histories.uploads import Uploads, drivers, keys, some, step
from imgstore.testing.leftovers import AN_HOUR, die, purge
from imgstore.testing.telling import Call

with needs("testing"):
    from hypothesis import HealthCheck, Phase, Verbosity, settings
    from hypothesis import strategies as st
    from hypothesis.stateful import precondition, run_state_machine_as_test

ALL = 1000
"""Calls that the failure of a history shows."""


class History(Uploads):
    """One history. The methods are what may happen next."""

    @precondition(lambda self: self.model.objects)
    @step(driver=drivers, which=some, start=some, stop=some)
    def read(self, driver: int, which: int, start: int, stop: int) -> None:
        """A range, at a border of the driver or of the object."""
        self._read(self.drivers[driver], self._known(which), start, stop)

    def _read(self, owner: StoreDriver, name: str, start: int, stop: int) -> None:
        data = self.model.objects[name].data
        border, size = self.bench.subject.largest, len(data)
        first, last = sorted(min((0, 1, border - 1, border, border + 1, size)[at], size) for at in (start, stop))
        with owner.open_reader(name, start=first, stop=last) as reader:
            assert same(b"".join(reader), data[first:last])

    @precondition(lambda self: self.model.objects or self.model.downloads)
    @step(driver=drivers, which=some, choice=some)
    def read_slowly(self, driver: int, which: int, choice: int) -> None:
        """A download that takes its time: it begins, or goes on."""
        downloads = self.model.downloads
        if self.model.objects and len(downloads) <= which // 2:
            key, owner = self._known(which), self.drivers[driver]
            stored = self.model.objects[key]
            downloads.append(Download(owner.open_reader(key), stored.data, key, stored, owner))
        elif downloads:
            self._read_on(downloads[which % len(downloads)], self._size(choice))

    def _read_on(self, download: Download, size: int) -> None:
        """The next bytes of that object, whatever is under its key by now; or an error, if it is gone."""
        try:
            data = download.reader.read(size)
        except errors.StoreError:
            gone = self.model.objects.get(download.key) is not download.stored
            assert gone, f"a read of {download.key!r} failed, and the object is there"
            self._end(download)
            return
        assert same(data, download.rest[: len(data)])
        download.rest = download.rest[len(data) :]
        if not data or size == 1:
            assert data or not download.rest, "a read ended early"
            self._end(download)

    def _end(self, download: Download) -> None:
        self.model.downloads.remove(download)
        download.reader.close()

    @precondition(lambda self: self.model.objects)
    @step(driver=drivers, which=some)
    def delete(self, driver: int, which: int) -> None:
        """Whoever reads or writes under the key meanwhile."""
        name = self._known(which)
        self.drivers[driver].delete(name)
        del self.model.objects[name]

    @precondition(lambda self: self.model.objects and isinstance(self.drivers[0], CopiesObjects))
    @step(driver=drivers, origin=some, to=keys)
    def copy(self, driver: int, origin: int, to: int) -> None:
        """Inside the store."""
        left, right, owner = self._known(origin), self.names[to], self.drivers[driver]
        assert isinstance(owner, CopiesObjects)
        if right not in self.model.objects:
            assert owner.copy(left, right).size == len(self.model.objects[left].data), "copy tells another size"
            self.model.objects[right] = Stored(self.model.objects[left].data)
        else:
            with self.bench.refuses(errors.ObjectExists):
                owner.copy(left, right)

    @step(what=st.integers(0, 5), driver=drivers, key=keys)
    def keep_house(self, what: int, driver: int, key: int) -> None:
        """What happens now and then."""
        chores = (self._look, self._die, self._find, self._remove, self._clear, self._check_or_reopen)
        chores[what](self.drivers[driver], self.names[key])

    def _look(self, driver: StoreDriver, _: str) -> None:
        """What is listed, and what is told of each, is what was committed."""
        if isinstance(driver, ListsObjects):
            listed = {info.key: info.size for info in driver.objects() if info.key in self.names}
            wanted = {key: len(stored.data) for key, stored in self.model.objects.items()}
            assert listed == wanted, f"a listing shows {listed} where {wanted} was committed"
        for key in self.names:
            if key in self.model.objects:
                assert driver.stat(key).size == len(self.model.objects[key].data), f"stat tells another size of {key!r}"
            else:
                for ask in (driver.stat, driver.open_reader, driver.delete):
                    with self.bench.refuses(errors.ObjectNotFound):
                        ask(key)

    def _die(self, driver: StoreDriver, key: str) -> None:
        """An upload whose process ends, where a driver finds what it leaves. A taken key may be refused at once."""
        if isinstance(driver, FindsLeftovers) and key not in self.model.objects:
            self.bench.calls.made.append(Call(f"die(bench, {key!r})"))
            die(self.bench, key)

    def _find(self, driver: StoreDriver, _: str) -> None:
        """Leftovers, to be removed at some time. Not during an upload: some drivers tell it by its age alone."""
        if isinstance(driver, FindsLeftovers) and not self.model.uploads:
            self.model.found += driver.leftovers()

    def _remove(self, driver: StoreDriver, _: str) -> None:
        """What was found, and what is old: nothing that is under way, or that was committed."""
        if isinstance(driver, FindsLeftovers):
            for leftover in driver.leftovers(older_than=AN_HOUR):
                driver.remove_leftover(leftover)
            for leftover in self.model.found:
                driver.remove_leftover(dataclasses.replace(leftover, certain=True))
            self.model.found.clear()

    def _clear(self, driver: StoreDriver, key: str) -> None:
        """What is left under a key that no upload uses."""
        if isinstance(driver, ClearsLeftovers) and all(upload.key != key for upload in self.model.uploads):
            driver.clear_leftovers(key)

    def _check_or_reopen(self, driver: StoreDriver, _: str) -> None:
        """As a service does that starts again."""
        if self.model.is_busy(driver):
            driver.check()
        else:
            driver.close()
            self.drivers[self.drivers.index(driver)] = self._open(self.bench.calls.name_of(driver))

    def teardown(self) -> None:
        """A whole history ends with nothing but its objects, and then with nothing."""
        try:
            if self.whole:
                with self.search.keeping(self.bench.calls):
                    self._end_all()
        finally:
            told = len(self.bench.calls.made)
            for driver in self.drivers:
                driver.close()
            del self.bench.calls.made[told:]

    def _end_all(self) -> None:
        for upload in self.model.uploads:
            upload.writer.abort()
        for download in self.model.downloads:
            download.reader.close()
        purge(self.bench, set(self.model.objects), dirt=self.dirt)
        for driver in self.drivers:
            for name in self.model.objects:
                self._read(driver, name, 0, 5)
            self._look(driver, "")
        for name in self.model.objects:
            self.drivers[0].delete(name)
        purge(self.bench, set(), dirt=self.dirt)


def run(bench: Bench, *, histories: int, steps: int, seconds: float) -> None:
    """So many histories of so many steps, the same in every run. Raises what ended the shortest that failed; so many
    `seconds` are for shortening it."""
    bench.calls.shown = ALL
    how = settings(
        max_examples=histories, stateful_step_count=steps, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet, report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    search = Search(seconds)
    factory: Any = functools.partial(History, bench, search)
    try:
        run_state_machine_as_test(factory, settings=how)
    except (Exception, pytest.fail.Exception):
        if search.error is None:
            raise
        bench.calls.made[:] = search.made
        raise search.error from None
