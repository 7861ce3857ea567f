"""A search for the shortest history that fails."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from imgstore.testing.telling import Call, Calls


@dataclass
class Search:
    """For the shortest history that fails. Once one was found, it goes on for so many `seconds`."""

    seconds: float
    error: BaseException | None = None
    made: list[Call] = field(default_factory=list)
    _end: float = 0.0

    @contextlib.contextmanager
    def keeping(self, calls: Calls) -> Iterator[None]:
        """Keeps what fails inside, if it took fewer calls than what failed before."""
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:
            if self.error is None:
                self._end = time.monotonic() + self.seconds
            if self.error is None or len(calls.made) < len(self.made):
                self.error, self.made = error, list(calls.made)
            raise

    @property
    def is_over(self) -> bool:
        """Whether what was found is short enough."""
        return self.error is not None and time.monotonic() > self._end
