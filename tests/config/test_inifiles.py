"""A line of an ini file never becomes a part of another option's value: of a directory, a container, a password."""

from __future__ import annotations

from pathlib import Path

from imgstore import config
from tests.config.test_refusals import GOOD, HOST, ini, refusal

TEXT = ini(GOOD)
SWALLOWED = {
    "datadir = /srv/images\n  weight = 5": "is indented",
    "datadir = /srv/images\n\tweight: 5": "is indented",
    "datadir = /srv/images\n  more": "is indented",
    "datadir = /srv/images\n  # the big disk": "is indented",
    "datadir = /srv/images   # the big disk": "has a remark behind the value",
    "datadir = /srv/images\t; the big disk": "has a remark behind the value",
    "weight = 5  # of ten": "has a remark behind the value",
    "datadir = /srv/im\x01ages": "has a control character",
    "\u00a0\n\f\ndatadir = /srv/images # after lines of blanks": "has a remark behind the value",
    "datadir = /srv/im\tages": "has a control character",
    "datadir = /srv/im\x85ages": "has a control character",
}
SECRETS = {
    "token = s3cret\n  name = n": "is indented",
    "token = s3cret\n  more": "is indented",
    "token = s3\x00cret": "control",
}


def test_what_would_be_swallowed_is_refused_with_its_line(tmp_path: Path) -> None:
    for lines, problem in SWALLOWED.items():
        error = refusal(tmp_path, f"[imgstore]\nenabled_stores = fast:filesystem\n[fast]\u00a0\n{lines}\n")
        number = 4 + lines.count("\n")
        assert f"line {number} of {tmp_path}/imgstore.conf {problem}" in str(error), lines
        assert (error.section, error.option) == ("fast", "weight" if lines.startswith("weight") else "datadir")


def test_no_line_is_swallowed_by_a_secret_and_none_is_shown(tmp_path: Path) -> None:
    for lines, problem in SECRETS.items():
        error = refusal(tmp_path, f"{TEXT}[host]\nname = n\n{lines}\n", extra=HOST)
        assert problem in str(error)
        assert "s3" not in str(error)


def test_what_means_something_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    lines = (
        "\ufeff[imgstore]\r\nenabled_stores = fast:filesystem,\r\n  scratch:memory\r\ndefault_store = fast\r\n"
        "# a remark = of its own\r\n\r\n[fast]\r\ndatadir = /srv/images\r\ndescription = number #1 ; or 2\r\n"
        "[host]\r\nname = 'a # b'\r\ntoken = a # b ; c\r\n"
    )
    path.write_bytes(lines.encode())
    conf = config.load([str(path)], extra=HOST)
    assert conf.imgstore.enabled_stores == ["fast:filesystem", "scratch:memory"]
    assert (conf.fast.datadir, conf.fast.description) == ("/srv/images", "number #1 ; or 2")
    assert (conf.host.name, conf.host.token) == ("a # b", "a # b ; c")


def test_lines_of_somebody_elses_sections_are_theirs(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    path.write_text(f"{TEXT}[other]\nvalue = 1 # remark\n  more = 2\n")
    config.load([str(path)], extra={"other": ()})
