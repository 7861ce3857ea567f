"""The entry point. It imports next to nothing, so that Ctrl-C is silent while the rest is imported."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (see `failures`)."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends the process without a traceback; `run` takes it over
    from imgstore.cli.run import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
