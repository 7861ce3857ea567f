"""What a person sees: a bar on a terminal, as wide as it is, and none elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.cli.support import PROGRAM, Done, Shop

CONTENT = bytes(range(256)) * 4096 * 12
BAR = "12.0 MiB of 12.0 MiB"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture
def shop(shop: Shop) -> Shop:
    shop.file("image", CONTENT)
    (shop.datadir("fast") / "key").write_bytes(CONTENT)
    return shop


def lines_of(shown: bytes) -> list[str]:
    """Everything that was ever drawn, without colours and movements."""
    return re.split(r"[\r\n]+", ESCAPES.sub("", shown.decode()))


def bar(done: Done, label: str) -> str:
    """The last bar with that label."""
    assert done.status == 0
    return [line for line in lines_of(done.out) if line.startswith(f"{label} ") and BAR in line][-1].strip()


def test_a_bar_has_amount_rate_and_time_and_gives_the_cursor_back(shop: Shop) -> None:
    put, get, copy, verify = shop.on_terminal(
        ["put", "image", "slow:"], ["get", "key"], ["copy", "key", "slow:"], ["verify", "key"]
    )
    bars = {"image": put, "key": get, "copying": copy, "comparing": copy, "verifying": verify}
    for label, done in bars.items():
        assert re.fullmatch(rf"{label} +━+ +{BAR} +[0-9.]+ .?i?B/s in 0:00:\d\d", bar(done, label))
        assert done.out.count(b"\x1b[?25l") == done.out.count(b"\x1b[?25h")
    assert any(re.search(r"of 12\.0 MiB .*[0-9:-]+ left", line) for line in lines_of(put.out + copy.out))


@pytest.mark.parametrize("width", [30, 200])
def test_nothing_is_wider_than_the_terminal(shop: Shop, width: int) -> None:
    (done,) = shop.on_terminal(["put", "image", "k" * 150], width=width)
    assert done.status == 0
    drawn = [line for line in lines_of(done.out) if "+--" not in line and not line.startswith("|")]
    assert max(len(line) for line in drawn) <= width
    if width == 200:
        assert max(len(line.rstrip()) for line in drawn) > 180, "the bar takes the room that there is"


def test_the_bar_is_for_standard_error_where_the_output_goes_elsewhere(shop: Shop) -> None:
    assert bar(shop.show(["bash", "-c", f"{PROGRAM} get key - > /dev/null"]), "key")


def test_no_bar_in_a_pipe_or_when_quiet_or_on_a_dumb_terminal(shop: Shop) -> None:
    assert shop.run("get", "key", "a").err == ""
    quiet = shop.on_terminal(["get", "key", "b", "-q"], ["-q", "get", "key", "c"])
    dumb = shop.on_terminal(["get", "key", "d"], environ={"TERM": "dumb"})
    assert [done.out for done in (*quiet, *dumb)] == [b"", b"", b""]


def test_no_colour_turns_colours_off_and_leaves_the_bar(shop: Shop) -> None:
    (coloured,) = shop.on_terminal(["get", "key", "a"])
    (plain,) = shop.on_terminal(["get", "key", "b"], environ={"NO_COLOR": "1"})
    assert COLOURS.search(coloured.out)
    assert bar(plain, "key")
    assert not COLOURS.search(plain.out)


def test_nothing_in_a_pipe_is_coloured(shop: Shop) -> None:
    for arguments in (["stores"], ["put", "image"], ["ls"], ["--help"], ["help", "put"], ["nonsense"]):
        done = shop.run(*arguments)
        assert b"\x1b" not in done.out + done.err.encode()


def test_a_bar_that_failed_says_that_it_stopped(shop: Shop) -> None:
    shop.add("broken", "breaking")
    (shop.datadir("broken") / "key").write_bytes(CONTENT)
    (done,) = shop.on_terminal(["get", "broken:key"], width=120)
    assert done.status == 5
    drawn = lines_of(done.out)
    assert any(line.rstrip().endswith("stopped") for line in drawn)
    above = "imgstore: warning: Image broken:key at byte 2097152"
    assert any(line.startswith(above) for line in drawn), "above the bar"


def test_an_image_is_not_written_to_a_terminal(shop: Shop) -> None:
    (done,) = shop.on_terminal(["get", "key", "-"])
    assert done.status == 2
    assert done.out.startswith(b"imgstore: an image cannot be shown on a terminal")


def test_what_is_wider_than_the_terminal_is_told_line_by_line(shop: Shop) -> None:
    shop.stores["slow"]["description"] = "spinning"
    shop.write()
    narrow, wide = shop.on_terminal(["stores"], width=40)[0], shop.on_terminal(["ls", "fast"], width=60)[0]
    lines = lines_of(narrow.out)
    assert max(map(len, lines)) <= 40
    assert lines[:2] == ["store: fast", "driver: filesystem"]
    assert "description: spinning" in lines
    assert wide.out.startswith(b"+-"), "what fits is a table"


def test_output_survives_a_locale_that_lacks_its_letters(shop: Shop) -> None:
    shop.stores["fast"]["description"] = "Größe"
    shop.write()
    shown = shop.shell("PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C imgstore stores -c description")
    assert (shown.status, shown.err) == (0, "")
    assert b"| Gr\\xf6\\xdfe " in shown.out
