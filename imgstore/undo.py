"""Whatever was begun is undone (law 3): the undo is registered where the thing is acquired; last in, first out.

A failing undo is logged and never hides the cause, nor keeps the others from running.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from imgstore import errors

LOG = logging.getLogger(__name__)


class Undo:
    """What is to be undone if the whole does not succeed."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def push(self, what: str, step: Callable[[], object]) -> None:
        """Registers `step`; `what` names the thing in the log, without secrets."""
        self._steps.append((what, step))

    def run(self) -> None:
        """Undoes everything, newest first. Raises nothing of a step that fails; an interrupt (KeyboardInterrupt, a
        timeout of a green thread) is raised when all steps have run."""
        interrupt: BaseException | None = None
        while self._steps:
            what, step = self._steps.pop()
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - of any class: the cause is already on its way to the caller
                LOG.error("Could not undo %s: %s", what, describe(error))
                interrupt = interrupt or (None if isinstance(error, Exception) else error)
        if interrupt is not None:
            raise interrupt

    def forget(self) -> None:
        """The whole succeeded: nothing is to be undone any more."""
        self._steps.clear()


def describe(error: BaseException) -> str:
    """An exception for the log. Of a foreign one only class and place: its text may hold a credential (law 7)."""
    if isinstance(error, errors.ImgstoreError):
        return f"{error} ({error.detail})" if error.detail else str(error)
    return errors.kind_and_place(error)
