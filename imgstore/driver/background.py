"""An undo that its caller does not wait for any longer than a moment, whatever the server does.

It is not lost: it goes on by itself, within a time of its own, and the end of the process waits for it. The caller
learns that it is not done yet, so whoever has a catalog notes a leftover for removal, and `purge` finds the rest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final, TypeVar

from imgstore import errors
from imgstore.driver import deadline
from imgstore.driver.deadline import Deadline
from imgstore.undo import describe

LOG = logging.getLogger(__name__)

MOMENT: Final = 0.9
"""Seconds that a caller waits."""
WHOLE: Final = 120.0
"""Seconds that an undo may take."""
LOOKS = (0.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Seconds before each look for what may appear late."""

T = TypeVar("T")


def undo_soon(what: str, work: Callable[[], object]) -> None:
    """Runs `work` on a thread of its own. Raises what it raises, or StoreUnavailable if it is not done in a MOMENT: it
    goes on then, and a failure is logged as one to undo `what`."""
    done: Future[None] = Future()
    given_up = threading.Event()
    thread = threading.Thread(target=_run, args=(what, work, done, given_up), name="imgstore-undo")
    try:
        thread.start()
    except RuntimeError:  # the process has as many threads as it may, or it ends
        with Deadline(MOMENT):
            work()
        return
    if not wait([done], MOMENT).done:
        given_up.set()
        raise errors.StoreUnavailable(f"Image storage takes long to undo {what}: this goes on.")
    thread.join()
    try:
        done.result()
    finally:
        del done  # it has the failure, whose traceback has this frame


def look_late(look: Callable[[], T | None]) -> T | None:
    """What `look` finds, now or later: a request without an answer may still be carried out. What appears later yet is
    removed by whoever has a catalog, since the undo takes longer than a MOMENT."""
    for pause in LOOKS:
        deadline.pause(pause)
        if (found := look()) is not None:
            return found
    return None


def look_again(what: str, look: Callable[[], object]) -> None:
    """Looks for `what` again and again, on a thread that nobody waits for: the object is there, and what else its
    requests may have made is a leftover at worst."""

    def work() -> None:
        for pause in LOOKS[1:]:
            deadline.pause(pause)
            look()

    done, given_up = Future[None](), threading.Event()
    given_up.set()
    thread = threading.Thread(target=_run, args=(what, work, done, given_up), name="imgstore-look", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # as above; the object is stored all the same
        LOG.warning("Could not look for %s again: %s", what, describe(error))


def _run(what: str, work: Callable[[], object], done: Future[None], given_up: threading.Event) -> None:
    try:
        with Deadline(WHOLE):
            work()
    except BaseException as error:  # noqa: BLE001 - of any class: it is raised again on the caller's thread
        if given_up.is_set():
            LOG.warning("Could not undo %s: %s", what, describe(error))
        done.set_exception(error)
        del done  # as above
    else:
        done.set_result(None)
