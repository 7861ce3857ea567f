"""What is started and stopped, as a context manager."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

R = TypeVar("R", bound="Running")


class Running(ABC):
    """Runs inside `with`. Where `start` fails, `stop` is called too, so `stop` takes whatever is there."""

    @abstractmethod
    def start(self) -> None:
        """Returns when it serves."""

    @abstractmethod
    def stop(self) -> None:
        """Ends it, and removes what it wrote; a no-op if it does not run."""

    def __enter__(self: R) -> R:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
