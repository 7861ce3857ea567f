"""A history's uploads: what may happen to each, and what must come of it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from imgstore import errors
from imgstore.distribution import needs
from imgstore.driver.base import StoreDriver
from imgstore.testing.bench import Bench
from imgstore.testing.histories.model import Model, Stored, Upload, made
from imgstore.testing.histories.search import Search
from imgstore.testing.parts import lose_answer
from imgstore.testing.telling import Call

with needs("testing"):
    from hypothesis import assume
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

MOST = 3
"""Uploads and downloads under way at a time."""

drivers = st.integers(0, 1)
keys = st.sampled_from((0, 0, 1, 1, 2))
some = st.integers(0, 5)
_numbers = itertools.count()


def step(**chosen: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule whose failure is kept."""

    def make(do: Callable[..., None]) -> Any:
        @functools.wraps(do)
        def stepped(self: Uploads, **values: Any) -> None:
            self.whole = False
            with self.search.keeping(self.bench.calls):
                do(self, **values)
            self.whole = True

        decorate: Any = rule(**chosen)
        return decorate(stepped)

    return make


class Uploads(RuleBasedStateMachine):
    """The half of a history that writes."""

    def __init__(self, bench: Bench, search: Search) -> None:
        super().__init__()
        assume(not search.is_over)
        self.bench = bench
        self.search = search
        self.model = Model()
        self.whole = True
        self.dirt = bench.subject.inventory()
        self.names = [f"h{next(_numbers)}{tail}" for tail in ("", ".2", "-")]
        bench.calls.made.clear()
        self.drivers = [self._open(name) for name in ("driver", "other")]

    def _open(self, name: str) -> StoreDriver:
        return self.bench.calls.opened(self.bench.subject.open(), name, "subject.open()")

    def _size(self, choice: int) -> int:
        border = self.bench.subject.largest
        return (1, 13, border - 1, border, border + 1, border * 2 + 7)[choice]

    def _body(self, choice: int, seed: int) -> bytes:
        return made(self._size(choice), seed)

    @step(driver=drivers, key=keys, choice=some, seed=st.integers(0, 3))
    def put(self, driver: int, key: int, choice: int, seed: int) -> None:
        """An upload in one go."""
        data = self._body(choice, seed)
        upload = self._begin(driver, key, len(data))
        if upload is not None:
            upload.writer.write(data)
            upload.data = data
            self._commit(upload)

    @precondition(lambda self: len(self.model.uploads) < MOST)
    @step(driver=drivers, key=keys, declared=st.none() | some, choice=some, seed=st.integers(0, 3))
    def begin(self, driver: int, key: int, declared: int | None, choice: int, seed: int) -> None:
        """An upload, and its first chunk."""
        upload = self._begin(driver, key, None if declared is None else self._size(declared))
        if upload is not None:
            self._write(upload, self._body(choice, seed))

    def _begin(self, driver: int, key: int, size: int | None) -> Upload | None:
        """Where the key is taken, the driver may say so at once, or at the commit."""
        name, owner = self.names[key], self.drivers[driver]
        try:
            writer = owner.open_writer(name, size=size)
        except errors.ObjectExists:
            assert name in self.model.objects, f"open_writer says that {name!r} is taken, and it is free"
            return None
        self.model.uploads.append(Upload(writer, name, size, owner))
        return self.model.uploads[-1]

    @precondition(lambda self: self.model.uploads)
    @step(which=some, choice=some, seed=st.integers(0, 3))
    def write(self, which: int, choice: int, seed: int) -> None:
        """A chunk, which may be more than was declared."""
        self._write(self.model.uploads[which % len(self.model.uploads)], self._body(choice, seed))

    def _write(self, upload: Upload, data: bytes) -> None:
        if upload.size is not None and len(upload.data) + len(data) > upload.size:
            self.model.uploads.remove(upload)
            with self.bench.refuses(errors.SizeMismatch):
                upload.writer.write(data)
            return
        upload.writer.write(data)
        upload.data += data

    @precondition(lambda self: self.model.uploads)
    @step(which=some, how=some)
    def end(self, which: int, how: int) -> None:
        """What became of an upload; most are committed with all that was declared."""
        upload = self.model.uploads[which % len(self.model.uploads)]
        ends = (self._fill, self._fill, self._fill, self._commit, self._lose_answer, self._abort)
        ends[how](upload)

    def _fill(self, upload: Upload) -> None:
        missing = (upload.size or 0) - len(upload.data)
        if missing > 0:
            data = made(missing, 9)
            upload.writer.write(data)
            upload.data += data
        self._commit(upload)

    def _commit(self, upload: Upload) -> None:
        self.model.uploads.remove(upload)
        if upload.size not in (None, len(upload.data)):
            with self.bench.refuses(errors.SizeMismatch):
                upload.writer.commit()
        elif upload.key in self.model.objects:
            with self.bench.refuses(errors.ObjectExists):
                upload.writer.commit()
        else:
            info = upload.writer.commit()
            assert (info.key, info.size) == (upload.key, len(upload.data)), f"commit tells {info}"
            self.model.objects[upload.key] = Stored(upload.data)

    def _lose_answer(self, upload: Upload) -> None:
        """The commit leaves nothing, and takes nothing away."""
        self.model.uploads.remove(upload)
        name = self.bench.calls.name_of(upload.writer)
        self.bench.calls.made.append(Call(f"lose_answer({name}, '_commit')"))
        lose_answer(upload.writer, "_commit")
        with self.bench.refuses(errors.StoreUnavailable, errors.SizeMismatch, errors.ObjectExists):
            upload.writer.commit()

    def _abort(self, upload: Upload) -> None:
        """Twice does no harm."""
        self.model.uploads.remove(upload)
        upload.writer.abort()
        upload.writer.abort()

    def _known(self, which: int) -> str:
        """The key of an object."""
        return list(self.model.objects)[which % len(self.model.objects)]
