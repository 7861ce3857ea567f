"""Large objects and what fails beneath them: order, hooks that fail after they did their work, what arrives late.

A hook is broken here where the base calls it, so that every driver is met in the same way: the storage did what it was
asked for, and the driver never learns it, as if the answer were lost. `_abort` has to remove every trace then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from imgstore import errors
from imgstore.driver.base import ObjectReader, ObjectWriter
from imgstore.testing.bench import KEY, Bench, body, pieces, same
from imgstore.testing.telling import Laws

PARTS = 12
"""More than nine: where names are sorted as text, part 10 comes before part 2."""


class AnswerLost(OSError):
    """What a hook raises that did its work: as a connection that broke before the answer."""


def lose_answer(owner: ObjectWriter | ObjectReader, hook: str) -> None:
    """From now on the owner's hook does what it does, and fails."""
    works: Callable[..., object] = getattr(owner, hook)

    def fails(*arguments: Any) -> None:
        works(*arguments)
        raise AnswerLost(104, "the contract's own: done, and the answer lost")

    setattr(owner, hook, fails)


class PartLaws(Laws):
    """Objects of many parts, and operations whose answer is lost."""

    READ = "Storages behind a network"

    @pytest.mark.parametrize("declared", [True, False])
    def test_many_parts_come_back_in_their_order(self, bench: Bench, declared: bool) -> None:
        border = bench.subject.largest
        data = body(border * PARTS + 7)
        bench.put(data, declared=declared, step=border)
        with bench.other.open_reader(KEY) as reader:
            assert same(b"".join(reader), data)
        bench.delete()
        bench.assert_clean()

    def test_commit_that_fails_after_it_was_done_leaves_nothing(self, bench: Bench) -> None:
        for data in (body(13), bench.large()):
            writer = bench.driver.open_writer(KEY, size=len(data))
            lose_answer(writer, "_commit")
            writer.write(data)
            with bench.refuses(errors.StoreUnavailable):
                writer.commit()
            bench.assert_absent()
            bench.assert_clean()
        bench.put(bench.large(1))
        bench.assert_holds(bench.large(1))

    def test_write_that_fails_after_it_was_done_leaves_nothing(self, bench: Bench) -> None:
        writer = bench.driver.open_writer(KEY)
        writer.write(bench.large())
        lose_answer(writer, "_write")
        with bench.refuses(errors.StoreUnavailable):
            writer.write(bench.large(1))
        bench.assert_absent()
        bench.assert_clean()

    def test_nothing_arrives_after_an_abort(self, bench: Bench) -> None:
        writer = bench.driver.open_writer(KEY)
        for piece in pieces(bench.large(), bench.subject.largest):
            writer.write(piece)
        writer.abort()
        time.sleep(bench.subject.arrives_within)
        bench.assert_clean()

    def test_reader_takes_no_more_after_an_error(self, bench: Bench) -> None:
        bench.put(bench.large())
        with bench.other.open_reader(KEY) as reader:
            whole = reader._read
            lose_answer(reader, "_read")
            with bench.refuses(errors.StoreUnavailable):
                reader.read(100)
            setattr(reader, whole.__name__, whole)
            with bench.refuses(errors.UsageError):
                reader.read(100)

    def test_writer_and_reader_outlive_the_thread_that_opened_them(self, bench: Bench) -> None:
        data = bench.large()
        writer = on_a_thread(lambda: begun(bench, data[:-7]))
        writer.write(data[-7:])
        writer.commit()
        bench.committed[KEY] = data
        with on_a_thread(lambda: bench.other.open_reader(KEY)) as reader:
            assert same(b"".join(reader), data)


def begun(bench: Bench, data: bytes) -> ObjectWriter:
    """A writer that has got `data`."""
    writer = bench.driver.open_writer(KEY)
    writer.write(data)
    return writer


def on_a_thread(make: Callable[[], Any]) -> Any:
    """What `make` returns on a thread that has ended by then. Raises what it raises."""
    made: list[Any] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            made.append(make())
        except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the test's own thread
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return made[0]
