"""Races: threads and processes that start at the same moment."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from imgstore import errors
from imgstore.sql import OutcomeUnknown

PATIENCE = 60.0


def together(*acts: Callable[[], object]) -> list[object]:
    """What each returned, or the class of the library's error that it raised; each has a thread."""
    barrier, results = threading.Barrier(len(acts)), list[object](acts)

    def run(number: int) -> None:
        barrier.wait(PATIENCE)
        try:
            results[number] = acts[number]()
        except (errors.ImgstoreError, OutcomeUnknown) as error:
            results[number] = type(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Processes:
    """Python programs that print `ready`, read a line, and then do what they race for. A context manager."""

    def __init__(self, program: str, *arguments: Sequence[str]) -> None:
        commands = ([sys.executable, "-c", program, *each] for each in arguments)
        pipe = subprocess.PIPE
        self._started = [subprocess.Popen(each, stdin=pipe, stdout=pipe, text=True) for each in commands]

    def __enter__(self) -> Processes:
        for process in self._started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._started:
            process.kill()
            process.communicate()

    def go(self) -> None:
        """Begins the race."""
        for process in self._started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

    @property
    def running(self) -> bool:
        """Whether one has not ended yet."""
        return any(process.poll() is None for process in self._started)

    def output(self) -> list[str]:
        """What each printed, when all have ended."""
        return [process.communicate(timeout=PATIENCE)[0] for process in self._started]
