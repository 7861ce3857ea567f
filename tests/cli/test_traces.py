"""A command writes where it was told to, and nowhere else: nothing in the home of who runs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imgstore.cli.app import GROUPS
from tests.cli.support import PATIENCE, Shop
from tests.support.packages import FAR_FROM_TMP

RUN = "from imgstore.cli.main import main; sys.exit(main())"
ARGUMENTS = {
    "put": ["image"],
    "get": ["key", "-"],
    "copy": ["key", "slow:"],
    "verify": ["key"],
    "rm": ["key"],
    "help": ["put"],
    "serve": ["--help"],
    "usage": ["--data-dir", "."],
    "db": ["upgrade", "--data-dir", "."],
}


@pytest.mark.parametrize("command", [command for commands in GROUPS.values() for command in commands])
def test_a_command_leaves_nothing_in_the_home(shop: Shop, command: str) -> None:
    shop.file("image", b"content")
    (shop.datadir("fast") / "key").write_bytes(b"there")
    shop.run("db", "upgrade", "--data-dir", ".")
    done = subprocess.run(
        [sys.executable, "-c", FAR_FROM_TMP + RUN, command, *ARGUMENTS.get(command, [])],
        capture_output=True, cwd=shop.root, env=shop.environ, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert not shop.home.exists()
