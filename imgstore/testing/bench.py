"""The bench on which the contract's tests work: two drivers on one storage, bodies, and what must hold of both.

At the end of every test the bench looks at the storage with the subject's own eyes: what is physically there is exactly
what the test committed, and nothing that was logged holds a secret.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import pytest

from imgstore import errors
from imgstore.driver import background
from imgstore.driver.base import ObjectReader, StoreDriver
from imgstore.driver.capabilities import ListsObjects
from imgstore.model import ObjectInfo
from imgstore.testing.faults import FaultProxy
from imgstore.testing.subject import SMALLEST_BORDER, Subject
from imgstore.testing.telling import Witness, telling

T = TypeVar("T")

KEY = "8f0a3a0e-6c1b-4f7e-9d43-0b6b6a1f7a10"
KEYS = tuple(f"{KEY[:-1]}{number}" for number in range(1, 9))


def body(size: int, seed: int = 0) -> bytes:
    """`size` bytes that do not repeat; another `seed`, other bytes."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - data for tests, the same in every run


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    """`data` in chunks of `step` bytes."""
    return (data[start : start + step] for start in range(0, len(data), step))


def expect_useful_borders(borders: Sequence[int]) -> None:
    """Fails a test whose bodies would cross no border of the driver."""
    if not borders:
        pytest.fail("The subject has no `borders`: name the sizes at which the driver changes what it does.")
    if min(borders) < SMALLEST_BORDER:
        pytest.fail(f"A border of {min(borders)} bytes proves nothing: give the driver {SMALLEST_BORDER} or more.")


def same(got: bytes, wanted: bytes) -> bool:
    """Whether the bytes are the same; fails the test with few words, whatever their size."""
    if got == wanted:
        return True
    pairs = enumerate(zip(got, wanted, strict=False))
    place = next((at for at, (left, right) in pairs if left != right), min(len(got), len(wanted)))
    pytest.fail(f"{len(got)} bytes where {len(wanted)} were expected; the first difference is at byte {place}")


def texts(error: BaseException) -> Iterator[str]:
    """Every text that a log could show of an error and of what caused it."""
    link: BaseException | None = error
    while link is not None:
        yield from (str(link), repr(link), str(link.args))
        if isinstance(link, errors.ImgstoreError):
            yield from (link.message, link.detail or "")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


class CapturedLog(logging.Handler):
    """Everything that is logged meanwhile, at any level, as it would be printed."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self._formatter = logging.Formatter("%(name)s %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the record, its traceback included."""
        self.lines.append(self._formatter.format(record))


@contextlib.contextmanager
def captured_log() -> Iterator[CapturedLog]:
    """Captures the root logger and everything below it."""
    root, handler = logging.getLogger(), CapturedLog()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


class Bench(Witness):
    """Two drivers on one storage (`driver`, and `other` as another process has it) and what was committed by key."""

    def __init__(self, subject: Subject, log: CapturedLog, stack: contextlib.ExitStack) -> None:
        super().__init__(subject.secrets)
        expect_useful_borders(subject.borders)
        self.subject = subject
        self.log = log
        self.committed: dict[str, bytes] = {}
        self._stack = stack
        self.driver = self.open("driver")
        self.other = self.open("other")

    def open(self, name: str = "") -> StoreDriver:
        """One more driver on the storage; closed with the bench."""
        return self._opened(self.subject.open(), name or self.calls.new_name("driver"), "open()")

    def broken(self) -> StoreDriver:
        """A driver whose storage cannot be reached; closed with the bench."""
        return self._opened(self.subject.broken(), "broken", "broken()")

    def neighbour(self) -> StoreDriver:
        """A driver of another store on the storage; closed with the bench."""
        return self._opened(self.subject.neighbour(), "neighbour", "neighbour()")

    def limited(self, capacity: int) -> StoreDriver:
        """A driver whose store may take so many bytes; closed with the bench."""
        return self._opened(self.subject.limited(capacity), "limited", f"limited({capacity})")

    def unclosed(self) -> StoreDriver:
        """One more driver on the storage, which the test closes."""
        return self.calls.opened(self.subject.open(), self.calls.new_name("driver"), "subject.open()")

    def _opened(self, driver: StoreDriver, name: str, call: str) -> StoreDriver:
        self._stack.callback(driver.close)
        return self.calls.opened(driver, name, f"subject.{call}")

    def through(self, proxy: FaultProxy, timeout: float) -> StoreDriver:
        """A driver whose requests all pass the proxy; closed with the bench."""
        return self._opened(
            self.subject.through(proxy, timeout=timeout), self.calls.new_name("through"), "through(proxy)"
        )

    def enter(self, context: contextlib.AbstractContextManager[T]) -> T:
        """Enters what is left with the bench."""
        return self._stack.enter_context(context)

    def sizes(self) -> list[int]:
        """0, 1, and around every border."""
        return sorted({0, 1, *(border + by for border in self.subject.borders for by in (-1, 0, 1))})

    def large(self, seed: int = 0) -> bytes:
        """A body that crosses every border of the driver twice and ends in the middle; another `seed`, another body."""
        return body(self.subject.largest * 2 + 7, seed)

    def put(self, data: bytes, key: str = KEY, *, declared: bool = True, step: int = 16 * 1024) -> ObjectInfo:
        """Commits an object."""
        with self.driver.open_writer(key, size=len(data) if declared else None) as writer:
            for piece in pieces(data, step):
                writer.write(piece)
            info = writer.commit()
        self.committed[key] = data
        return info

    def delete(self, key: str = KEY) -> None:
        """Removes a committed object."""
        self.driver.delete(key)
        del self.committed[key]

    def visible(self, driver: StoreDriver) -> set[str]:
        """The keys that `driver` shows: those it lists, or where it lists nothing, those of the tests that it knows."""
        if isinstance(driver, ListsObjects):
            return {info.key for info in driver.objects()}
        return {key for key in (KEY, *KEYS, *self.committed) if self.exists(driver, key)}

    def exists(self, driver: StoreDriver, key: str) -> bool:
        """Whether `driver` finds an object under `key`."""
        try:
            driver.stat(key)
        except errors.ObjectNotFound:
            return False
        return True

    def assert_absent(self, key: str = KEY) -> None:
        """No driver shows an object under `key`, in any way."""
        for driver in (self.driver, self.other):
            for ask in (driver.stat, driver.open_reader, driver.delete):
                with self.refuses(errors.ObjectNotFound):
                    ask(key)
            assert key not in self.visible(driver), "a listing shows an object that was not committed"

    def assert_holds(self, data: bytes, key: str = KEY) -> None:
        """Every driver shows exactly `data` under `key`."""
        for driver in (self.driver, self.other):
            assert driver.stat(key).size == len(data), "stat tells another size"
            assert key in self.visible(driver), "a committed object is missing from the listing"
            with driver.open_reader(key) as reader:
                assert same(b"".join(reader), data)

    def assert_all_hold(self) -> None:
        """Every driver shows what was committed and nothing else, and reads back exactly that."""
        for driver in (self.driver, self.other):
            assert self.visible(driver) == set(self.committed), "a listing shows something else than what was committed"
        for number, (key, data) in enumerate(self.committed.items()):
            driver = (self.driver, self.other)[number % 2]
            assert driver.stat(key).size == len(data), "stat tells another size"
            with driver.open_reader(key) as reader:
                assert same(b"".join(reader), data)

    def assert_clean(self) -> None:
        """What is physically in the storage is what was committed, no more and no less."""
        found = self.subject.inventory()
        extra, missing = sorted(found - set(self.committed)), sorted(set(self.committed) - found)
        if extra or missing:
            pytest.fail(f"the storage has {extra} too much, and {missing} too little, of what was committed")

    def assert_no_secret(self, lines: Iterable[str]) -> None:
        """No line holds a credential. The failure does not show it either."""
        for line in lines:
            if (masked := self.masked(line)) != line:
                pytest.fail(f"a text holds a secret: {masked}")

    def assert_discreet(self, error: errors.ImgstoreError) -> None:
        """The error's message tells nothing internal, unless only the operator ever sees it; no text holds a secret."""
        self.assert_no_secret(texts(error))
        if isinstance(error, errors.ConfigurationError):
            return
        for word in self.subject.internals:
            assert word not in error.message, "a message for clients tells something internal"

    @contextlib.contextmanager
    def refuses(self, *kinds: type[errors.ImgstoreError]) -> Iterator[None]:
        """Inside, one of the library's errors of these kinds must be raised, and it must be discreet."""
        wanted = " or ".join(kind.__name__ for kind in kinds)
        try:
            yield
        except kinds as error:
            self.assert_discreet(error)
        except errors.ImgstoreError as error:
            did = f"{type(error).__name__} was raised ({error.message})"
            raise pytest.fail.Exception(f"{did} instead of {wanted}") from error
        else:
            pytest.fail(f"nothing was raised instead of {wanted}")


@contextlib.contextmanager
def whole_undos() -> Iterator[None]:
    """Inside, what `background.undo_soon` runs is waited for to its end: an abort is looked at when it is done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(background, "MOMENT", background.WHOLE)
        yield


@contextlib.contextmanager
def working_bench(subject: Subject) -> Iterator[Bench]:
    """A bench for one test; on the way out, what must hold after every test."""
    with whole_undos(), captured_log() as log, contextlib.ExitStack() as stack:
        bench = Bench(subject, log, stack)
        yield bench
        if not bench.failed:
            with telling(bench):
                bench.assert_clean()
                bench.assert_no_secret(log.lines)


def rest_of(reader: ObjectReader, step: int) -> bytes:
    """What the reader still delivers, asked for in portions of `step` bytes."""
    found = []
    while data := reader.read(step):
        assert len(data) <= step, "a read delivered more than it was asked for"
        found.append(data)
    return b"".join(found)
