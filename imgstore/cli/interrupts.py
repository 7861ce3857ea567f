"""Signals: a command that moves bytes ends at a safe point, with everything undone.

SIGINT, SIGTERM and SIGHUP raise `Interrupted`: outside of `deferred` at once; inside, only where nothing is half done,
which is at `check` and while the command is `waiting` for input or output. So a commit is whole or does not happen, and
no undo is cut short. A second signal does not wait for a safe point. Signals during the undo are ignored. A signal that
the process ignores from its start (nohup, a background job of a script) stays ignored.

What a command did is told by its status: a signal that comes after the last step changes nothing (`finished`, and while
Python ends). One that came while Python collected garbage, which drops every exception, comes again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN = 0.01
"""Seconds until a signal that was lost comes again."""
STOPPING = b"imgstore: stopping at the next safe point; a second signal stops at once\n"


class Interrupted(BaseException):
    """A signal ends the command. Not an Exception: no driver is to take it for a failure of its storage."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interrupts:
    """The signals of this process; there is one such object, `INTERRUPTS`, as there is one process."""

    def __init__(self) -> None:
        self._pending: int | None = None
        self._deferred = False
        self._waiting = False
        self._raised = False
        self._finished = False
        self._unraisable = sys.unraisablehook

    def install(self) -> None:
        """Takes the signals over. Called once, by the main thread."""
        self._finished = False
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        if sys.unraisablehook != self._on_unraisable:
            self._unraisable, sys.unraisablehook = sys.unraisablehook, self._on_unraisable
        atexit.register(_ignore_all)

    def finished(self) -> None:
        """The last step was done. Called inside of `deferred`, so that no signal comes between: from now on it is
        deferred to the end."""
        self._finished = True

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal raises at `check` and in `waiting` only. One that comes after the last `check` changes
        nothing: the command has succeeded, and says so."""
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before or self._finished

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around one system call that may block: inside, a signal raises at once."""
        self._waiting = True
        try:
            self.check()
            yield
        finally:
            self._waiting = False

    def check(self) -> None:
        """Raises Interrupted if a signal came. Called where nothing is half done."""
        if self._pending is not None and not self._raised:
            self._raise(self._pending)

    def _on_signal(self, number: int, frame: object) -> None:
        again, self._pending = self._pending is not None, number
        if self._raised:
            return
        if again or self._waiting or not self._deferred:
            self._raise(number)
        # Not through sys.stderr, in the middle of whose write this may be.
        with contextlib.suppress(OSError):
            os.write(2, STOPPING)

    def _raise(self, number: int) -> None:
        self._raised = True
        raise Interrupted(number)

    def _on_unraisable(self, dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, Interrupted):
            self._unraisable(dropped)
            return
        number = dropped.exc_value.number
        self._pending, self._raised = None, False
        signal.signal(signal.SIGALRM, lambda *_: self._on_signal(number, None))
        signal.setitimer(signal.ITIMER_REAL, AGAIN)


def _ignore_all() -> None:
    """Python would give its own end to a signal, and another status to a command that has succeeded."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


INTERRUPTS = Interrupts()
