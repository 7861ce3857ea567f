"""A line of an ini file never becomes a part of another option's value: of a directory, a container, a password."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import cfg

from imgstore import config
from imgstore.config.options import OPTIONS, SECTION
from imgstore.errors import ConfigurationError
from imgstore.service.options import OPTIONS as SERVICE_OPTIONS
from imgstore.service.settings import database
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
    "datadir = /srv/images\u200b": "has a character that cannot be seen",
    "datadir = '/srv/images\u00a0'": "has a character that cannot be seen",
    "datadir = /srv/images \\": "ends in a backslash",
    "datadir = # later": "has a remark behind the value",
    "datadir = '/srv' # the 'big' disk'": "has a remark behind the value",
}
LISTS = {
    "fast:memory # in memory": "has a remark behind the value",
    "fast:memory, \\": "ends in a backslash",
    "fast:memory\n  default_store = fast": "is indented",
    "fast:memory\n  default_store: fast": "is indented",
    "fast:memory,\n  [fast]": "is indented",
    "fast:memory,\n  # and\n": "is indented",
}
VALUES = {
    "/srv/images # the big disk": "has a remark behind the value",
    "/srv/images\nweight = 5": "has a line break",
    "/srv/images\ufeff": "has a control character",
    "/srv/images\u00a0": "has a character that cannot be seen",
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


def test_a_list_goes_on_in_items_only(tmp_path: Path) -> None:
    for lines, problem in LISTS.items():
        error = refusal(tmp_path, f"[imgstore]\nenabled_stores = {lines}\n[fast]\n")
        number = 3 if "\n" in lines else 2
        assert f"enabled_stores: line {number} of {tmp_path}/imgstore.conf {problem}" in str(error), lines


def test_blanks_that_oslo_config_ignores_hide_nothing(tmp_path: Path) -> None:
    text = "[imgstore]\nenabled_stores = fast:filesystem\n\u00a0\n\x0c\n[fast]\u00a0\ndatadir = /srv/images # big\n"
    assert "[fast] datadir: line 6 of" in str(refusal(tmp_path, text))


def test_a_value_of_the_environment_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, problem in VALUES.items():
        monkeypatch.setenv("OS_FAST__DATADIR", value)
        assert f"[fast] datadir: the variable OS_FAST__DATADIR {problem}" in str(refusal(tmp_path, TEXT)), value
    monkeypatch.delenv("OS_FAST__DATADIR")
    monkeypatch.setenv("OS_HOST__TOKEN", "s3cret\n")
    assert "s3cret" not in str(refusal(tmp_path, f"{TEXT}[host]\nname = n\n", extra=HOST))


def test_a_hosts_own_configuration_is_asked_too(tmp_path: Path) -> None:
    path = tmp_path / "host.conf"
    lines = "[imgstore]\nenabled_stores = fast:filesystem\n[fast]\ndatadir = "
    for value, problem in {"/srv/images # big": "a remark", "/srv/images\n  weight = 5": "indented"}.items():
        path.write_text(lines + value)
        with pytest.raises(ConfigurationError, match=rf"\[fast\] datadir: line \d of {path} .*{problem}"):
            config.build_stores(_hosts(path))
    path.write_text(f"{lines}'/srv/images # big'\n")
    config.build_stores(_hosts(path)).close()
    conf = _hosts(path)
    conf.register_opts(OPTIONS, group=SECTION)
    conf.set_override("enabled_stores", ["fast:memory\n"], group=SECTION)
    with pytest.raises(ConfigurationError, match="the value has a line break"):
        config.build_stores(conf)


def _hosts(path: Path) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[str(path)], default_config_dirs=[])
    return conf


def test_the_catalogs_file_has_no_remark_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    for value, refused in {
        "/var/lib/catalog.sqlite # x": True,
        "mysql://u:s3@h/name ; x": True,
        "postgresql://u:s3 #c@h/name": False,
    }.items():
        path.write_text(f"{TEXT}[service]\ndatabase = {value}\n")
        conf = config.load([str(path)], extra={"service": SERVICE_OPTIONS})
        if refused:
            with pytest.raises(ConfigurationError, match=r"\[service\] database: has a remark") as caught:
                database(conf, tmp_path)
            assert "s3" not in str(caught.value)
        else:
            assert "name" in repr(database(conf, tmp_path))


def test_a_bad_value_behind_a_byte_order_mark_is_shown(tmp_path: Path) -> None:
    assert "[fast] weight: 'many' is not valid" in str(refusal(tmp_path, f"\ufeff{TEXT}weight = many\n"))


def test_no_line_is_swallowed_by_a_secret_and_none_is_shown(tmp_path: Path) -> None:
    for lines, problem in SECRETS.items():
        error = refusal(tmp_path, f"{TEXT}[host]\nname = n\n{lines}\n", extra=HOST)
        assert problem in str(error)
        assert "s3" not in str(error)


def test_what_means_something_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    lines = (
        "\ufeff[imgstore]\r\nenabled_stores = fast:filesystem,\r\n  scratch:memory\r\ndefault_store = fast\r\n"
        "# a remark = of its own\r\n\r\n[fast]\r\ndatadir = /srv/images\r\ndescription = number #1 ; or 2, "
        "a 👩\u200d💻\r\n"
        "[host]\r\nname = 'a # b'\r\ntoken = a # b ; c\r\n"
    )
    path.write_bytes(lines.encode())
    conf = config.load([str(path)], extra=HOST)
    assert conf.imgstore.enabled_stores == ["fast:filesystem", "scratch:memory"]
    assert (conf.fast.datadir, conf.fast.description) == ("/srv/images", "number #1 ; or 2, a 👩\u200d💻")
    assert (conf.host.name, conf.host.token) == ("a # b", "a # b ; c")


def test_lines_of_somebody_elses_sections_are_theirs(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    path.write_text(f"{TEXT}[other]\nvalue = 1 # remark\n  more = 2\n")
    config.load([str(path)], extra={"other": ()})
