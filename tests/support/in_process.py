"""What a process has of its own, for a block of the tests' process: streams, folder, variables, path.

Signal handlers, the root logger and stevedore are restored; modules that were imported from `sites` are forgotten.
"""

from __future__ import annotations

import contextlib
import importlib
import locale
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO
from unittest import mock

from stevedore.extension import ExtensionManager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Streams:
    """What was written, known after the block."""

    out: bytes = b""
    err: bytes = b""


@contextlib.contextmanager
def on_path(*sites: Path) -> Iterator[None]:
    """Inside, packages are found in `sites` first."""
    before, path, listing = set(sys.modules), list(sys.path), ExtensionManager.list_entry_points
    sys.path[:0] = map(str, sites)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        ExtensionManager.list_entry_points = listing  # type: ignore[method-assign] # put back as it was
        for name in set(sys.modules) - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(tuple(map(str, sites))):
                del sys.modules[name]


@contextlib.contextmanager
def streams(stdin: bytes = b"") -> Iterator[Streams]:
    """Inside, standard input is a pipe with `stdin`, standard output and standard error are files."""
    found = Streams()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, contextlib.ExitStack() as undo:
        source, sink = os.pipe()
        feeding = threading.Thread(target=_feed, args=(sink, stdin))
        feeding.start()
        undo.callback(feeding.join)
        for number, descriptor in enumerate((source, out.fileno(), err.fileno())):
            undo.callback(_put_back, number, os.dup(number))
            os.dup2(descriptor, number)
        os.close(source)
        undo.enter_context(mock.patch.multiple(sys, stdout=_text(1), stderr=_text(2)))
        try:
            yield found
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            undo.close()
            found.out, found.err = _content(out), _content(err)


@contextlib.contextmanager
def as_process(folder: Path, environ: Mapping[str, str], *sites: Path) -> Iterator[None]:
    """Inside, folder, variables, locale, signal handlers and the root logger are those of a new process."""
    root, level, handlers = logging.getLogger(), logging.getLogger().level, logging.getLogger().handlers[:]
    signals = {number: signal.getsignal(number) for number in SIGNALS}
    before, language = os.getcwd(), locale.setlocale(locale.LC_ALL)
    root.handlers = []
    try:
        with mock.patch.dict(os.environ, environ, clear=True), on_path(*sites):
            time.tzset()
            os.chdir(folder)
            yield
    finally:
        os.chdir(before)
        time.tzset()
        locale.setlocale(locale.LC_ALL, language)  # a command takes that of its variables
        root.handlers = handlers
        root.setLevel(level)
        for number, handler in signals.items():
            signal.signal(number, handler)


def _text(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", closefd=False)


def _feed(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(descriptor, "wb", buffering=0) as pipe:
        view = memoryview(data)
        while view:
            view = view[pipe.write(view) :]


def _put_back(number: int, kept: int) -> None:
    os.dup2(kept, number)
    os.close(kept)


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
