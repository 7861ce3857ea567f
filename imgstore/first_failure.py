"""What failed on another thread, kept for the owner's thread, which raises it there.

An exception has a traceback, the traceback has frames, and the frames have what their functions used: buffers of MiBs.
Whoever keeps an exception that it raises is in one of these frames. Then they refer to each other in a circle, which
stays until the collector of garbage comes by, maybe hours later. So whoever keeps one forgets it at its own end.
"""

from __future__ import annotations

from typing import TypeVar

from imgstore import errors

E = TypeVar("E", bound=BaseException)


def untraced(error: E) -> E:
    """The same failure, to be kept or raised anew: without its traceback and its causes. Whatever its class takes."""
    twin = type(error).__new__(type(error), *error.args)
    vars(twin).update(vars(error))
    return twin


class FirstFailure:
    """The first of several. Whoever keeps them from several threads has a lock."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.happened = False

    def keep(self, error: BaseException) -> None:
        """Only the first counts."""
        if not self.happened:
            self.error, self.happened = error, True

    def forget(self) -> None:
        """Nobody asks for it any more."""
        self.error = None

    def throw(self) -> None:
        """Raises the exception, if there was one."""
        if self.happened:
            raise self.error or errors.UsageError("This has failed before.")
