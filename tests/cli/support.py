"""The command line in this process, in a shell, or on a terminal of a given width."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import sysconfig
import termios
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from imgstore.cli.commands import scrub
from imgstore.cli.main import main
from imgstore.driver.place import NOTES
from tests.cli.drivers import GATE
from tests.support.in_process import as_process, streams
from tests.support.packages import FAR_FROM_TMP, install

ROOT = Path(__file__).parent.parent.parent
PROGRAM = str(Path(sysconfig.get_path("scripts"), "imgstore"))
DRIVERS = ("named", "silent", "breaking", "lying", "gated", "copying", "unsure", "hung", "exiting")
PATIENCE = 60.0
NOTHING: Mapping[str, str] = MappingProxyType({})
MARK, END = b"\x1e", b"\x1d"
ONE_BY_ONE = (
    FAR_FROM_TMP
    + """
import json, os
from imgstore.cli.main import main
for command in json.loads(sys.argv[1]):
    status = main(command)
    sys.stderr.flush()
    os.write(1, b"\\x1e%d\\x1d" % status)
"""
)


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: bytes
    err: str

    def json(self) -> Any:
        """What was printed, which must be JSON, and good."""
        assert (self.status, self.err) == (0, "")
        return json.loads(self.out)


def run_here(
    folder: Path, environ: Mapping[str, str], arguments: Sequence[str], *sites: Path, stdin: bytes = b""
) -> Done:
    """Runs a command in this process, in a pipe, to its end."""
    with as_process(folder, environ, *sites), streams(stdin) as written:
        status = main(arguments)
    return Done(status, written.out, written.err.decode())


class Shop:
    """A directory with `imgstore.conf`, the stores `fast` (default) and `slow`, and what the test adds.

    The home of who runs the commands is beside it, and does not exist before one of them makes it.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "shop"
        self.home = directory / "home"
        self.root.mkdir()
        self._started: list[subprocess.Popen[bytes]] = []
        self.site = self.root / "site"
        points = [f"{name} = tests.cli.drivers:{name.title()}Driver" for name in DRIVERS]
        install(self.site, "cli-test-drivers", entry_points=points)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "IMGSTORE_"))}
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            kept.pop(name, None)
        paths = os.pathsep.join([str(self.site), str(ROOT)])
        kept["PATH"] = f"{Path(PROGRAM).parent}:{kept['PATH']}"
        self.environ = {**kept, "HOME": str(self.home), "PYTHONPATH": paths, "PYTHONWARNINGS": "error", "TZ": "UTC"}
        self.stores: dict[str, dict[str, object]] = {"fast": {"description": "SSD"}, "slow": {}}
        self.drivers = {"fast": "filesystem", "slow": "filesystem"}
        self.write()

    def add(self, identifier: str, driver: str = "filesystem", **options: object) -> None:
        """One more store, or another of that identifier."""
        self.drivers[identifier] = driver
        self.stores[identifier] = options
        self.write()

    def write(self, **options: object) -> None:
        """Writes the configuration; `options` are more of [imgstore]."""
        enabled = ", ".join(f"{store}:{driver}" for store, driver in self.drivers.items())
        lines = ["[imgstore]", f"enabled_stores = {enabled}", "default_store = fast"]
        lines += [f"{name} = {value}" for name, value in options.items()]
        for store, values in self.stores.items():
            lines.append(f"[{store}]")
            if self.drivers[store] not in ("memory", "silent", "unsure", "hung", "exiting"):
                self.datadir(store).mkdir(exist_ok=True)
                lines += [f"datadir = {self.datadir(store)}", "fsync = false"]
            lines += [f"{name} = {value}" for name, value in values.items()]
        (self.root / "imgstore.conf").write_text("\n".join(lines) + "\n")

    def datadir(self, store: str) -> Path:
        """Where a filesystem store keeps its objects."""
        return self.root / store

    def names(self, store: str = "fast") -> list[str]:
        """Everything in a datadir, hidden names too, except for gates and marks."""
        return sorted(name for name in os.listdir(self.datadir(store)) if not name.startswith((GATE, *NOTES)))

    def file(self, name: str, content: bytes) -> Path:
        """A file in the directory in which the commands run."""
        path = self.root / name
        path.write_bytes(content)
        return path

    def gate(self, name: str) -> Path:
        """Makes a gate of the store `gated`: `read` or `commit`."""
        path = self.datadir("gated") / f"{GATE}{name}"
        os.mkfifo(path)
        return path

    def run(self, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> Done:
        """Runs a command in this process, in a pipe, to its end."""
        return run_here(self.root, {**self.environ, **(environ or {})}, arguments, self.site, stdin=stdin)

    def shell(self, script: str) -> Done:
        """Runs a script of bash, in which `imgstore` is the command."""
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, cwd=self.root, env=self.environ, timeout=PATIENCE, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begins a command in pipes. The test ends it, or `close` does."""
        process = subprocess.Popen(
            [PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.root, env=self.environ,
        )  # fmt: skip
        self._started.append(process)
        return process

    def close(self) -> None:
        """Ends what a failing test has left."""
        for process in self._started:
            process.kill()
            process.communicate()

    def on_terminal(
        self, *commands: Sequence[str], width: int = 100, environ: Mapping[str, str] = NOTHING
    ) -> list[Done]:
        """Runs commands one after the other in one process on a terminal; `out` is what each shows there."""
        shown = self.show([sys.executable, "-c", ONE_BY_ONE, json.dumps(commands)], width=width, environ=environ).out
        ended = [part.rpartition(MARK) for part in shown.split(END)[:-1]]
        assert len(ended) == len(commands), shown
        return [Done(int(status), out, "") for out, _, status in ended]

    def show(
        self,
        command: Sequence[str],
        *,
        width: int = 100,
        environ: Mapping[str, str] = NOTHING,
        typed: tuple[bytes, bytes] | None = None,
    ) -> Done:
        """Runs a program on a terminal, to its end; `out` is what it shows there. When the first half of `typed` is
        shown, somebody types the second half."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        variables = {**self.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environ}
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.root, env=variables,
            start_new_session=True, preexec_fn=_take_the_terminal,
        )  # fmt: skip
        os.close(theirs)
        try:
            shown = _everything(ours, typed)
        finally:
            os.close(ours)
            status = _ended(process)
        return Done(status, shown, "")


def _take_the_terminal() -> None:
    """Standard input is the terminal whose Ctrl-C the process gets."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _everything(terminal: int, typed: tuple[bytes, bytes] | None) -> bytes:
    shown = bytearray()
    while True:
        if typed is not None and typed[0] in shown:
            os.write(terminal, typed[1])
            typed = None
        try:
            data = os.read(terminal, 65536)
        except OSError:  # how Linux says that nobody has the other end
            return bytes(shown)
        if not data:
            return bytes(shown)
        shown += data


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextlib.contextmanager
def time_for_one_object(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, the time of a scrub is up after its first object."""
    counts: list[int] = []

    def once(self: scrub.Rate, count: int) -> None:
        counts.append(count)
        if len(counts) > 1:
            raise scrub.TimeIsUp

    with monkeypatch.context() as patch:
        patch.setattr(scrub.Rate, "__call__", once)
        yield
