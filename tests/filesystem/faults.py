"""System calls that fail when they are told to: every call of a scenario can be counted, and each made to fail in turn.

A call can fail before it had its effect, or after it (a network filesystem that lost the answer). `close` always has
its effect: Linux gives the descriptor back whatever it answers. `fsync` never reaches the disk here: nothing in these
tests looks at what a power cut leaves, and the disk is slow.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
from collections.abc import Callable, Iterator

import pytest

from imgstore.drivers.filesystem import write_back

OS_CALLS = (
    "open", "close", "stat", "fstat", "fchmod", "chmod", "mkdir", "fstatvfs", "pwrite", "ftruncate", "fsync", "link",
    "unlink", "scandir", "pread", "posix_fadvise",
)  # fmt: skip


class When(enum.Enum):
    """How a call fails."""

    BEFORE = "without any effect"
    AFTER = "after its effect"
    FOREVER = "and every later one too, without any effect"


class Faults:
    """Counts system calls while it is `counting`, and lets number `fail_at` fail."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._counting = False
        self._fail_at: int | None = None
        self._number = 0
        self._when = When.BEFORE
        for name in OS_CALLS:
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
        for name in ("flock", "fcntl"):
            patch.setattr(fcntl, name, self._wrapped(name, getattr(fcntl, name)))
        patch.setattr(write_back, "start_writing", self._wrapped("start_writing", write_back.start_writing))

    @contextlib.contextmanager
    def counting(self, *, fail_at: int | None = None, number: int = 0, when: When = When.BEFORE) -> Iterator[None]:
        """Inside, calls are counted; call `fail_at` fails with the errno `number`."""
        self.calls = []
        self._fail_at, self._number, self._when = fail_at, number, when
        self._counting = True
        try:
            yield
        finally:
            self._counting = False

    def _wrapped(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if not self._counting:
                return real(*args, **kwargs)
            self.calls.append(name)
            fails = self._fails(len(self.calls) - 1)
            if name == "fsync":
                result = None
            elif name == "close" or not fails:
                result = real(*args, **kwargs)
            elif self._when is When.AFTER and name not in ("open", "scandir"):
                with contextlib.suppress(OSError):
                    real(*args, **kwargs)
            if fails:
                raise OSError(self._number, os.strerror(self._number))
            return result

        return call

    def _fails(self, index: int) -> bool:
        if self._fail_at is None:
            return False
        return index >= self._fail_at if self._when is When.FOREVER else index == self._fail_at
