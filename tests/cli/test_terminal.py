"""What a person sees: a bar on a terminal, as wide as it is, and none elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.cli.support import Shop

CONTENT = bytes(range(256)) * 4096 * 12
BAR = "12.0 MiB of 12.0 MiB"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def lines_of(shown: bytes) -> list[str]:
    """Everything that was ever drawn, without colours and movements."""
    return re.split(r"[\r\n]+", ESCAPES.sub("", shown.decode()))


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        (["put", "image", "slow:"], "image"),
        (["get", "key"], "key"),
        (["copy", "key", "slow:"], "copying"),
        (["copy", "key", "slow:"], "comparing"),
        (["verify", "key"], "verifying"),
    ],
)
def test_a_bar_with_amount_rate_and_time(shop: Shop, arguments: list[str], label: str) -> None:
    shop.file("image", CONTENT)
    (shop.datadir("fast") / "key").write_bytes(CONTENT)
    done = shop.on_terminal(*arguments)
    assert done.status == 0
    bars = [line for line in lines_of(done.out) if line.startswith(f"{label} ") and BAR in line]
    assert re.fullmatch(rf"{label} +━+ +{BAR} +[0-9.]+ .?i?B/s in 0:00:\d\d", bars[-1].strip())


def test_a_bar_tells_the_time_that_is_left(shop: Shop) -> None:
    shop.file("image", CONTENT)
    drawn = lines_of(shop.on_terminal("put", "image").out)
    assert any(re.search(r"of 12\.0 MiB .*[0-9:-]+ left", line) for line in drawn)


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_nothing_is_wider_than_the_terminal(shop: Shop, width: int) -> None:
    shop.file("image", CONTENT)
    done = shop.on_terminal("put", "image", "k" * 150, width=width)
    assert done.status == 0
    drawn = [line for line in lines_of(done.out) if "+--" not in line and not line.startswith("|")]
    assert max(len(line) for line in drawn) <= width
    if width == 200:
        assert max(len(line.rstrip()) for line in drawn) > 180, "the bar takes the room that there is"


def test_the_bar_is_for_standard_error_where_the_output_goes_elsewhere(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(CONTENT)
    done = shop.on_terminal("get", "key", "-", piped=["stdout"])
    assert done.status == 0
    assert BAR in lines_of(done.out)[-2]


def test_the_cursor_comes_back(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(CONTENT)
    shown = shop.on_terminal("get", "key").out
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1


def test_no_bar_in_a_pipe_or_when_quiet_or_on_a_dumb_terminal(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(CONTENT)
    assert shop.run("get", "key", "a").err == ""
    assert shop.on_terminal("get", "key", "b", "-q").out == b""
    assert shop.on_terminal("-q", "get", "key", "c").out == b""
    assert shop.on_terminal("get", "key", "d", environ={"TERM": "dumb"}).out == b""


def test_no_colour_turns_colours_off_and_leaves_the_bar(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(CONTENT)
    assert COLOURS.search(shop.on_terminal("get", "key", "a").out.decode())
    plain = shop.on_terminal("get", "key", "b", environ={"NO_COLOR": "1"}).out.decode()
    assert BAR in plain
    assert not COLOURS.search(plain)


def test_nothing_in_a_pipe_is_coloured(shop: Shop) -> None:
    shop.file("image", CONTENT)
    for arguments in (["stores"], ["put", "image"], ["ls"], ["--help"], ["help", "put"], ["nonsense"]):
        done = shop.run(*arguments)
        assert b"\x1b" not in done.out + done.err.encode()


def test_a_bar_that_failed_says_that_it_stopped(shop: Shop) -> None:
    shop.add("broken", "breaking")
    (shop.datadir("broken") / "key").write_bytes(CONTENT)
    done = shop.on_terminal("get", "broken:key", width=120)
    assert done.status == 5
    drawn = lines_of(done.out)
    assert any(line.rstrip().endswith("stopped") for line in drawn)
    assert any(line.startswith("imgstore: warning: Image broken:key at byte 2097152") for line in drawn), (
        "above the bar"
    )


def test_an_image_is_not_written_to_a_terminal(shop: Shop) -> None:
    (shop.datadir("fast") / "key").write_bytes(CONTENT)
    done = shop.on_terminal("get", "key", "-")
    assert done.status == 2
    assert done.out.startswith(b"imgstore: an image is not for a terminal")
