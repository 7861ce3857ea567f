"""The law "undone": each step registers its undo when it acquires something, and the newest undo runs first.

A failing undo is logged. It never hides the cause, and the other undos still run.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable

from imgstore import errors

LOG = logging.getLogger(__name__)


class Undo:
    """The steps to undo if the whole does not succeed."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def push(self, what: str, step: Callable[[], object]) -> None:
        """Registers `step`. The log names it `what`, which holds no secret."""
        self._steps.append((what, step))

    def run(self) -> None:
        """Undoes everything, newest first. A failing step raises nothing. An interrupt (KeyboardInterrupt, a timeout of
        a green thread) is raised when all steps have run."""
        interrupt: BaseException | None = None
        while self._steps:
            what, step = self._steps.pop()
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - of any class: the caller gets the cause instead
                LOG.error("Could not undo %s: %s", what, describe(error))
                interrupt = interrupt or (None if is_failure(error) else error)
        if interrupt is not None:
            raise interrupt

    def forget(self) -> None:
        """The whole succeeded: forgets every step."""
        self._steps.clear()


def is_failure(error: BaseException) -> bool:
    """Whether code failed, and nobody interrupts it. Failures are also a `sys.exit` on a thread where no signal's
    handler runs, and a cancellation by asyncio where no loop runs: they are not to end a thread or a service."""
    if isinstance(error, SystemExit):
        return threading.current_thread() is not threading.main_thread()
    asyncio = sys.modules.get("asyncio")  # who has not imported it, which takes a while, raises none of its own
    if asyncio is not None and isinstance(error, asyncio.CancelledError):
        return asyncio._get_running_loop() is None
    return isinstance(error, Exception)


def describe(error: BaseException) -> str:
    """An exception for the log. A foreign one is shown by class and line only: its text may hold a credential."""
    if isinstance(error, errors.ImgstoreError):
        return f"{error} ({error.detail})" if error.detail else str(error)
    return errors.kind_and_place(error)


def log_stack(error: BaseException) -> None:
    """Logs at DEBUG where a foreign exception came from, call by call. Its text is left out, as above."""
    if LOG.isEnabledFor(logging.DEBUG):
        LOG.debug("%s came from:\n%s", type(error).__name__, _stack(error))


def _stack(error: BaseException) -> str:
    calls = "".join(traceback.format_tb(error.__traceback__))
    cause = error.__cause__ or error.__context__
    return calls if cause is None else f"{_stack(cause)}{type(cause).__name__} led to\n{calls}"
