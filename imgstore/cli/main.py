"""The entry point: exit statuses, one line for an error, quiet when whoever read the output has gone.

What is imported here every `imgstore --version` pays for.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from imgstore.cli.failures import BROKEN_PIPE, FAILED, SIGNALLED, USAGE, line_of, status_of
from imgstore.cli.interrupts import INTERRUPTS, Interrupted
from imgstore.config.entrypoints import keep_no_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (see `failures`)."""
    INTERRUPTS.install()
    _open_what_is_closed()
    argv = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _run(argv)
    except Interrupted as error:
        _abandon_output()
        return SIGNALLED + error.number
    except BrokenPipeError:
        _abandon_output()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the process ends: it is told, with its traceback where that is asked for
        return _told(error, debug="--debug" in argv)


def _run(argv: list[str]) -> int:
    keep_no_file()
    try:
        from imgstore.cli.app import ImgstoreApp
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "cliff":
            raise
        _say("the command line needs more packages: pip install 'imgstore[cli]'")
        return USAGE
    status = ImgstoreApp().run(argv)
    sys.stdout.flush()
    return status


def _told(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if isinstance(error, OSError):
        _abandon_output()
        _say(f"{error.strerror or type(error).__name__} ({error.filename or 'standard output'})")
        return FAILED
    _say(line_of(error))
    return status_of(error)


def _say(line: str) -> None:
    sys.stderr.write(f"imgstore: {line}\n")


def _abandon_output() -> None:
    """What is still in the buffer goes nowhere, rather than failing again when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _open_what_is_closed() -> None:
    """No file that is opened later becomes standard output by accident."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(fd)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as above


if __name__ == "__main__":
    sys.exit(main())
