"""Every command says the same on a terminal and in a pipe, and leaves nothing in the home of who runs it."""

from __future__ import annotations

import re

from imgstore.cli.app import GROUPS
from tests.cli.support import PROGRAM, Shop
from tests.cli.test_terminal import lines_of

COMMANDS: dict[str, list[str]] = {
    "db": ["db", "upgrade", "--data-dir", "."],
    "put": ["put", "image", "new-{}"],
    "get": ["get", "key", "got-{}"],
    "ls": ["ls", "fast"],
    "stat": ["stat", "key", "-c", "key", "-c", "size"],
    "copy": ["copy", "key", "slow:copy-{}"],
    "verify": ["verify", "key"],
    "rm": ["rm", "new-{}"],
    "stores": ["stores"],
    "check": ["check"],
    "purge": ["purge"],
    "usage": ["usage", "--data-dir", "."],
    "migrate-config": ["migrate-config", "glance-api.conf"],
    "sample-config": ["sample-config"],
    "help": ["help", "put"],
    "complete": ["complete"],
}
SILENT = {"get", "rm", "purge", "usage"}
"""Commands that print nothing where all is well."""


def in_shop(shop: Shop, kind: str) -> list[list[str]]:
    shop.file("image", b"content")
    shop.file("glance-api.conf", b"[DEFAULT]\nenabled_backends = fast:file\n")
    (shop.datadir("fast") / "key").write_bytes(b"content")
    return [[word.format(kind) for word in command] for command in COMMANDS.values()]


def test_every_command_is_here() -> None:
    """`serve` does not end by itself, `url` needs a store that signs, and `new-driver` writes a package,
    and the others need a catalog that knows images."""
    assert COMMANDS.keys() | {"serve", "adopt", "evacuate", "new-driver", "scrub", "status", "url"} == {
        command for commands in GROUPS.values() for command in commands
    }


def test_a_command_says_the_same_on_a_terminal_and_in_a_pipe(shop: Shop) -> None:
    """That none leaves anything in the home is looked at by `shop`."""
    piped = [shop.run(*command, environ={"COLUMNS": "300"}) for command in in_shop(shop, "pipe")]
    shown = shop.on_terminal(*in_shop(shop, "terminal"), width=300)
    for command, in_pipe, on_terminal in zip(COMMANDS, piped, shown, strict=True):
        assert (in_pipe.status, in_pipe.err, on_terminal.status) == (0, "", 0), command
        assert bool(in_pipe.out) == (command not in SILENT), command
        assert said(in_pipe.out) == [line for line in said(on_terminal.out) if "━" not in line]


def said(output: bytes) -> list[str]:
    """Without what differs: names, times, free space, and how wide a table is."""
    text = "\n".join(line for line in lines_of(output) if line)
    text = re.sub(r"-(pipe|terminal)\b", "", text)
    text = re.sub(r"[0-9.]+ ([KMGT]i)?B\b|\d{4}-\d\d-\d\d[T ][0-9:.]+Z?|[0-9.]+ ?(s|ms)\b", "N", text)
    return [re.sub(r" +", " ", re.sub(r"-{2,}", "-", line)).strip() for line in text.split("\n") if line]


def test_ctrl_c_stops_the_service_and_a_put_that_waits_for_its_input(shop: Shop) -> None:
    served = shop.show([PROGRAM, "serve", "--port", "0", "--data-dir", "."], typed=(b"Ctrl-C", b"\x03"))
    assert served.status == 0
    assert b"imgstore listens on http://127.0.0.1:" in served.out
    put = shop.show([PROGRAM, "put", "-", "key"], typed=(b"0 B", b"\x03"))
    assert put.status == 130
    assert put.out.count(b"\x1b[?25l") == put.out.count(b"\x1b[?25h") == 1, "the cursor comes back"
    assert b"Traceback" not in served.out + put.out
    assert shop.names() == []
