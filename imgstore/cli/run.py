"""Runs a command: exit statuses, one line for an error, silence when the reader of the output has gone.

Every `imgstore --version` pays for what is imported here.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgstore import distribution
from imgstore.cli.failures import BROKEN_PIPE, FAILED, SIGNALLED, USAGE, line_of, status_of
from imgstore.cli.interrupts import INTERRUPTS, Interrupted

if TYPE_CHECKING:
    from typing_extensions import Buffer


def run(arguments: Sequence[str] | None = None) -> int:
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
    except Exception as error:  # noqa: BLE001 - the process ends: it is reported, with a traceback where one is asked for
        return _reported(error, debug="--debug" in argv)


def _run(argv: list[str]) -> int:
    if {"-q", "--quiet"}.isdisjoint(argv) and (conflict := distribution.conflict()):
        _say(f"warning: {conflict}")
    from imgstore.cli.app import ImgstoreApp

    status = ImgstoreApp().run(argv)
    sys.stdout.flush()
    return status


def _reported(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if isinstance(error, ModuleNotFoundError) and not (error.name or "imgstore").startswith("imgstore"):
        _say(f"the command line needs the module '{error.name}', which is missing. {distribution.install_extra('cli')}")
        return USAGE
    if isinstance(error, OSError):
        _abandon_output()
        _say(f"{error.strerror or type(error).__name__} ({error.filename or 'standard output'})")
        return FAILED
    _say(line_of(error))
    return status_of(error)


def _say(line: str) -> None:
    sys.stderr.write(f"imgstore: {line}\n")


def _abandon_output() -> None:
    """Discards what is in the buffer, which would fail again when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _open_what_is_closed() -> None:
    """Opens standard streams that are closed, so that no file that is opened later becomes standard output."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(fd)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process
    _write_what_can_be_written()
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as above
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the locale may not have what a description has


class _Heedless(io.FileIO):
    """Drops what cannot be written: a full disk or a reader that has gone stops no undo, and hides no exit status."""

    def write(self, data: Buffer, /) -> int:
        with contextlib.suppress(OSError):
            written = super().write(data)
            if written is not None:  # as where the stream does not block
                return written
        return memoryview(data).nbytes


def _write_what_can_be_written() -> None:
    """Makes standard error one that never fails."""
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        raw = io.BufferedWriter(_Heedless(sys.stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(raw, encoding=sys.stderr.encoding, errors="backslashreplace", line_buffering=True)
