"""Every command on a terminal and in a pipe says the same; Ctrl-C, typed at the terminal, ends what waits."""

from __future__ import annotations

import re

import pytest

from imgstore.cli.app import GROUPS
from tests.cli.support import Shop
from tests.cli.test_terminal import lines_of

WIDE = 300
COMMANDS: dict[str, list[str]] = {
    "put": ["put", "image", "new-{}"],
    "get": ["get", "key", "got-{}"],
    "ls": ["ls"],
    "copy": ["copy", "key", "slow:copy-{}"],
    "verify": ["verify", "key"],
    "rm": ["rm", "gone-{}"],
    "stores": ["stores"],
    "check": ["check"],
    "purge": ["purge"],
    "usage": ["usage", "--data-dir", "."],
    "db": ["db", "upgrade", "--data-dir", "."],
    "sample-config": ["sample-config"],
    "help": ["help", "put"],
    "complete": ["complete"],
}
SPOKEN = {"put", "ls", "copy", "verify", "stores", "check", "db", "sample-config", "help", "complete"}
"""Those that print something where all is well."""


def test_every_command_is_here() -> None:
    """`serve` does not end by itself."""
    assert COMMANDS.keys() | {"serve"} == {command for commands in GROUPS.values() for command in commands}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_the_same_on_a_terminal_and_in_a_pipe(shop: Shop, command: str) -> None:
    shop.file("image", b"content")
    shop.run("db", "upgrade", "--data-dir", ".")
    for key in ("key", "gone-pipe", "gone-terminal"):
        (shop.datadir("fast") / key).write_bytes(b"content")
    piped = shop.run(*(word.format("pipe") for word in COMMANDS[command]))
    assert (piped.status, piped.err) == (0, "")
    for key in ("new-pipe", "gone-terminal"):
        (shop.datadir("fast") / key).unlink(missing_ok=True)
    (shop.datadir("fast") / "gone-terminal").write_bytes(b"content")
    (shop.datadir("fast") / "gone-pipe").write_bytes(b"content")
    shown = shop.on_terminal(*(word.format("terminal") for word in COMMANDS[command]), width=WIDE)
    assert shown.status == 0
    assert bool(piped.out) == (command in SPOKEN)
    assert _said(piped.out) == [line for line in _said(shown.out) if "━" not in line]


def _said(output: bytes) -> list[str]:
    """Without what differs: names, times, free room, and how wide a table is."""
    text = "\n".join(line for line in lines_of(output) if line)
    text = re.sub(r"-(pipe|terminal)\b", "", text)
    text = re.sub(r"[0-9.]+ ([KMGT]i)?B\b|\d{4}-\d\d-\d\d[T ][0-9:.]+Z?|[0-9.]+ ?(s|ms)\b", "N", text)
    return [re.sub(r" +", " ", re.sub(r"-{2,}", "-", line)).strip() for line in text.split("\n") if line]


def test_the_service_is_stopped_by_ctrl_c_at_its_terminal(shop: Shop) -> None:
    done = shop.on_terminal("serve", "--port", "0", "--data-dir", ".", typed=(b"Ctrl-C", b"\x03"))
    assert done.status == 0
    said = "\n".join(lines_of(done.out))
    assert "imgstore listens on http://127.0.0.1:" in said
    assert "Traceback" not in said


def test_a_put_that_waits_for_its_input_is_stopped_by_ctrl_c_and_leaves_nothing(shop: Shop) -> None:
    done = shop.on_terminal("put", "-", "key", typed=(b"0 B", b"\x03"))
    assert done.status == 130
    assert done.out.count(b"\x1b[?25l") == done.out.count(b"\x1b[?25h") == 1
    assert b"Traceback" not in done.out
    assert shop.names() == []
