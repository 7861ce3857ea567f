"""A server in a process of its own, run by the Python of an environment of its own: a script that prints its port.

It must end when its standard input does, and take its files along: so nothing survives the tests, whatever becomes of
them. It is in a session of its own, where no signal to the tests' process group (Ctrl-C, `timeout`) comes before that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 60.0


class Child:
    """`script` run with `arguments` in the environment `name` (in `.venv`, built by the Makefile) below `root`, where
    it leaves its log. `IMGSTORE_<NAME>` names another environment, `python` stands for one. Use it as a context
    manager."""

    def __init__(
        self, script: Path, *arguments: str, name: str, root: Path, variables: Mapping[str, str] | None = None,
        python: Path | None = None,
    ) -> None:  # fmt: skip
        self.log_file = root / f"{name}.log"
        # Isolated: else the script's directory would come before what is installed there.
        command = [str(python or python_of(name)), "-I", str(script), *arguments]
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=root,
                env={**os.environ, **(variables or {})}, start_new_session=True,
            )  # fmt: skip
        self.port = self._port()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ends the process; a no-op after its end."""
        self.process.kill()
        self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _port(self) -> int:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line.isdigit():
            self.stop()
            raise AssertionError(f"{self.log_file.stem} did not start:\n{self.log}")
        return int(line)


def python_of(name: str) -> Path:
    """The Python of the environment `name`."""
    environment = Path(os.environ.get(f"IMGSTORE_{name.upper()}") or Path(sys.prefix) / name)
    python = environment.absolute() / "bin" / "python"
    assert python.exists(), f"{environment} is missing: `make .venv/{name}.stamp` builds it"
    return python
