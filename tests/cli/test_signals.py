"""A signal ends a command with everything undone; nothing of a part is ever seen, not even after SIGKILL."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.cli.interrupts import STOPPING
from tests.cli.support import PATIENCE, Shop

MIB = 1024 * 1024
GENTLE = [(signal.SIGINT, 130, "fast"), (signal.SIGTERM, 143, "named"), (signal.SIGHUP, 129, "fast")]
"""Signal, exit status, store; objects of `named` are staged under a hidden name, those of `fast` without one."""


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.add("named", "named")
    shop.add("gated", "gated")
    return shop


def begin_put(shop: Shop, place: str) -> subprocess.Popen[bytes]:
    """A put that has taken most of 4 MiB from its standard input, and waits for more."""
    process = shop.spawn("put", "-", place)
    assert process.stdin is not None
    process.stdin.write(bytes(4 * MIB))
    process.stdin.flush()
    return process


def begin_commit(shop: Shop) -> tuple[Path, subprocess.Popen[bytes]]:
    """A put that has all of its input, and the gate at which its commit waits."""
    gate, process = shop.gate("commit"), begin_put(shop, "gated:key")
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    return gate, process


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def in_the_shop(shop: Shop) -> set[str]:
    return {path.name for path in shop.root.iterdir()} - {"fast", "slow", "named", "gated", "site", "imgstore.conf"}


@pytest.mark.parametrize(("number", "status", "store"), GENTLE)
def test_undone_a_put_that_is_interrupted_leaves_nothing(
    shop: Shop, number: signal.Signals, status: int, store: str
) -> None:
    process = begin_put(shop, f"{store}:key")
    process.send_signal(number)
    ended, out, err = end(process)
    assert (ended, out, err.replace(STOPPING, b"")) == (status, b"", b"")
    assert shop.names(store) == []


@pytest.mark.parametrize("store", ["fast", "named"])
def test_undone_a_put_that_is_killed_leaves_at_most_what_purge_removes(shop: Shop, store: str) -> None:
    process = begin_put(shop, f"{store}:key")
    process.kill()
    end(process)
    left = shop.names(store)
    assert len(left) == (1 if store == "named" else 0)
    assert shop.run("ls", store, "-f", "json").json() == [], "nothing is visible"
    assert shop.run("purge", store, "-f", "json").json() == [], "it was touched within the hour"
    listed = shop.run("purge", "--older-than", "0", "--dry-run", "-f", "json").json()
    assert [(row["store"], row["name"], row["removed"]) for row in listed] == [(store, name, False) for name in left]
    assert shop.names(store) == left, "a dry run removes nothing"
    removed = shop.run("purge", "--older-than", "0s", store, "-f", "json").json()
    assert [(row["name"], row["removed"]) for row in removed] == [(name, True) for name in left]
    assert shop.names(store) == []
    assert shop.run("put", "-", f"{store}:key", stdin=b"retry").status == 0


def test_purge_leaves_an_upload_under_way_alone(shop: Shop) -> None:
    process = begin_put(shop, "named:key")
    assert len(shop.names("named")) == 1
    assert shop.run("purge", "--older-than", "0", "-f", "json").json() == []
    status, _, err = end(process)
    assert (status, err, shop.names("named")) == (0, b"", ["key"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_undone_a_get_that_is_ended_leaves_nothing(shop: Shop, number: signal.Signals, status: int) -> None:
    (shop.datadir("gated") / "key").write_bytes(bytes(4 * MIB))
    gate = shop.gate("read")
    process = shop.spawn("get", "gated:key", "file")
    with _reached(gate, process):
        process.send_signal(number)
        if number is signal.SIGKILL:
            process.wait(PATIENCE)
    assert end(process) == (status, b"", b"" if number is signal.SIGKILL else STOPPING)
    assert in_the_shop(shop) == set()


def test_a_get_that_nobody_reads_can_be_interrupted(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(bytes(4 * MIB))
    process = shop.spawn("get", "key", "-")
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 1)
    process.send_signal(signal.SIGINT)
    ended, _, err = end(process)
    assert (ended, err.replace(STOPPING, b"")) == (130, b"")


def test_undone_a_copy_that_is_interrupted_while_it_compares_is_removed(shop: Shop) -> None:
    shop.run("put", "-", "key", stdin=bytes(4 * MIB))
    commit, read = shop.gate("commit"), shop.gate("read")
    process = shop.spawn("copy", "key", "gated:")
    with _reached(commit, process):
        assert shop.names("gated") == []
    with _reached(read, process):
        assert shop.names("gated") == ["key"]
        process.send_signal(signal.SIGTERM)
    assert end(process) == (143, b"", STOPPING)
    assert (shop.names("gated"), shop.names()) == ([], ["key"])


def test_atomic_a_commit_is_not_cut_short_and_says_that_it_succeeded(shop: Shop) -> None:
    gate, process = begin_commit(shop)
    with _reached(gate, process):
        process.send_signal(signal.SIGTERM)
    status, out, err = end(process)
    assert (status, err) == (0, STOPPING)
    assert b"| gated" in out
    assert (shop.datadir("gated") / "key").stat().st_size == 4 * MIB


def test_a_second_signal_does_not_wait_for_a_commit(shop: Shop) -> None:
    gate, process = begin_commit(shop)
    with _reached(gate, process):
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.readline() == STOPPING
        process.send_signal(signal.SIGINT)
        assert end(process) == (130, b"", b"")
    assert shop.names("gated") == []


def test_a_signal_that_was_ignored_at_the_start_stays_so(shop: Shop) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = begin_put(shop, "key")
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    assert end(process)[0] == 0
    assert shop.names() == ["key"]


@contextlib.contextmanager
def _reached(gate: Path, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Inside, `process` is at the gate; it goes on afterwards."""
    descriptor = None
    while descriptor is None:
        descriptor = _opened(gate)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0 if descriptor else 0.01)
            raise AssertionError(f"it ended: {process.returncode}")
    try:
        yield
    finally:
        os.close(descriptor)


def _opened(gate: Path) -> int | None:
    """None while nobody is at the gate."""
    try:
        return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


CTRL_C_AT_AN_IMPORT = """
import os, signal, sys
from imgstore.cli.main import main

class CtrlC:
    def find_spec(self, name, *others):
        if name == "imgstore.cli.run":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
main(["--version"])
"""


def test_ctrl_c_is_silent_while_the_command_line_is_still_imported(shop: Shop) -> None:
    command = [sys.executable, "-c", CTRL_C_AT_AN_IMPORT]
    done = subprocess.run(command, capture_output=True, env=shop.environ, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


SIGNALS_AT_ODD_MOMENTS = """
import os, signal, time
from imgstore.cli.interrupts import INTERRUPTS, Interrupted

class Garbage:
    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.SIGTERM):
        kill(own, number)
        sum(range(1000))

def told(doing):
    try:
        doing()
    except Interrupted:
        return "interrupted"

def end_in_the_collector():
    Garbage()
    time.sleep(60)

def last_step():
    with INTERRUPTS.deferred():
        INTERRUPTS.finished()
    Garbage()

INTERRUPTS.install()
print(told(end_in_the_collector))
INTERRUPTS.__init__()
print(told(last_step))
late = Garbage()
"""


def test_a_signal_is_never_lost_and_gives_no_success_another_status(shop: Shop) -> None:
    command = [sys.executable, "-c", SIGNALS_AT_ODD_MOMENTS]
    done = subprocess.run(command, capture_output=True, env=shop.environ, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"interrupted\nNone\n", STOPPING)
