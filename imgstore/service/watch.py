"""Whether one thing works: a thread asks it again and again, so that nobody else waits for the answer.

What hangs holds only its own thread; after `timeout` seconds it counts as down. The threads are daemons, since a check
that hangs in the kernel must not keep the process from ending.
"""

from __future__ import annotations

import abc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from imgstore import errors
from imgstore.supervised import Supervised
from imgstore.undo import describe, is_failure

LOG = logging.getLogger(__name__)
STALLED = "check-stalled"

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Seconds from the end of one check to the next, and how long a check may take."""

    interval: float = 30.0
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of one thing. `reason` is the code of an error, "" for what works; `age` and `took` are the seconds
    since the last check ended and how long it took; `free` in bytes, None where nobody can tell."""

    name: str
    up: bool
    reason: str = ""
    age: float = 0.0
    took: float = 0.0
    free: int | None = None


class Watch(abc.ABC):
    """One thing under watch. It counts as up until a check says otherwise. `title` is for people: "Store fast"."""

    def __init__(self, name: str, settings: HealthSettings, *, title: str, clock: Clock = time.monotonic) -> None:
        self.error: errors.ImgstoreError | None = None  # of the last check, if it failed
        self.answered = threading.Event()
        self.refuses: type[errors.ImgstoreError] | None = None  # what somebody else tells, and then ends
        self.stopped = threading.Event()
        self.supervised = Supervised(f"health of {title.removeprefix('Store ').lower()}", pause=settings.interval)
        self.thread = threading.Thread(target=self._run, name=f"imgstore-{self.supervised.name}", daemon=True)
        self._settings = settings
        self._title = title
        self._clock = clock
        self._last = Status(name, up=True)
        self._checked = clock()
        self._checking_since: float | None = None
        self._told_up = True
        self._telling = threading.Lock()

    @abc.abstractmethod
    def ask(self) -> int | None:
        """Raises what is wrong. Returns the free bytes of what has room, None where nobody can tell."""

    def changed(self, *, up: bool, reason: str) -> None:
        """Called when it goes down or up, on a thread of the watch; `reason`: the code of what is wrong."""
        return

    def found_up(self) -> None:
        """Called after each check that found it up, on the thread that checked."""
        return

    @property
    def name(self) -> str:
        """Of what is watched."""
        return self._last.name

    def status(self) -> Status:
        """What is known now. Never waits."""
        now, since, last = self._clock(), self._checking_since, self._last
        age = max(0.0, now - self._checked)
        if since is not None and now - since > self._settings.timeout:
            return Status(last.name, up=False, reason=STALLED, age=age, took=now - since, free=last.free)
        return replace(last, age=age)

    def check(self) -> None:
        """Asks now, however long it takes."""
        stall = threading.Timer(self._settings.timeout, self._tell_stalled)
        stall.daemon = True
        began = self._checking_since = self._clock()
        stall.start()
        error, free = self._found()
        stall.cancel()
        with self._telling:
            now, reason = self._clock(), "" if error is None else error.code
            self._checked, self.error = now, error
            self._last = Status(self.name, up=error is None, reason=reason, took=now - began, free=free)
            self._checking_since = None
            if self.refuses is None or not isinstance(error, self.refuses):
                self._tell(reason, "" if error is None else describe(error))
        self.answered.set()
        if error is None:
            self.found_up()

    def _run(self) -> None:
        while not self.stopped.wait(self.supervised.round(self.check) or self._settings.interval):
            continue

    def _found(self) -> tuple[errors.ImgstoreError | None, int | None]:
        try:
            return None, self.ask()
        except errors.ImgstoreError as error:
            return error, None
        except BaseException as error:  # a driver's defect must not end the watch; it is recorded as down
            if not is_failure(error):
                raise
            return errors.ImgstoreError(f"The check failed: {describe(error)}"), None

    def _tell_stalled(self) -> None:
        with self._telling:
            if self._checking_since is not None:
                self._tell(STALLED, f"its check has not ended after {self._settings.timeout:g} s")

    def _tell(self, reason: str, why: str) -> None:
        up = not reason
        if up != self._told_up:
            self._told_up = up
            LOG.warning("%s is %s", self._title, "up again" if up else f"down ({reason}): {why}")
            self.changed(up=up, reason=reason)
        elif not up:
            LOG.info("%s is still down (%s): %s", self._title, reason, why)
