"""Bad configuration stops the start with one line: section, option and cure (law 11), no secret (law 7)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from oslo_config import cfg

from imgstore import config
from imgstore.config.options import OPTIONS
from imgstore.errors import ConfigurationError

GOOD = {
    "imgstore": {"enabled_stores": "fast:filesystem, scratch:memory", "default_store": "fast"},
    "fast": {"datadir": "/srv/images"},
}
HOST = {"host": [cfg.StrOpt("token", secret=True), cfg.IntOpt("pin", secret=True), cfg.StrOpt("name", required=True)]}


def ini(sections: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(
        f"[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in options.items())
        for section, options in sections.items()
    )


def changed(section: str, **options: str | None) -> str:
    """The good configuration with options of one section set, or removed (None)."""
    wanted = {name: value for name, value in {**GOOD.get(section, {}), **options}.items() if value is not None}
    return ini({**GOOD, section: wanted})


def refusal(tmp_path: Path, text: str, *, extra: Mapping[str, Sequence[cfg.Opt]] | None = None) -> ConfigurationError:
    path = tmp_path / "imgstore.conf"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        config.load([str(path)], extra=extra or {})
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_configuration_that_the_bad_ones_are_made_of_is_good(tmp_path: Path) -> None:
    (tmp_path / "imgstore.conf").write_text(ini(GOOD))
    config.load([str(tmp_path / "imgstore.conf")])


ENABLED = "[imgstore] enabled_stores: "
DEFAULT = "[imgstore] default_store: "
RULE = "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter, a digit or '_'."
TWICE = "is listed twice. Give every store an identifier of its own, case aside."


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"enabled_stores": None},
            f"{ENABLED}no store is enabled. Name one, as in 'enabled_stores = fast:filesystem'.",
        ),
        ({"enabled_stores": ""}, f"{ENABLED}no store is enabled. Name one, as in 'enabled_stores = fast:filesystem'."),
        ({"enabled_stores": "fast"}, f"{ENABLED}'fast' is not 'identifier:driver'. Write it as in 'fast:filesystem'."),
        ({"enabled_stores": ":x"}, f"{ENABLED}':x' is not 'identifier:driver'. Write it as in 'fast:filesystem'."),
        ({"enabled_stores": "x:"}, f"{ENABLED}'x:' is not 'identifier:driver'. Write it as in 'fast:filesystem'."),
        ({"enabled_stores": "a:memory, a:filesystem"}, f"{ENABLED}store 'a' {TWICE}"),
        ({"enabled_stores": "a:memory, A:memory"}, f"{ENABLED}store 'A' {TWICE}"),
        ({"enabled_stores": "a b:memory"}, f"{ENABLED}'a b' cannot be a store's identifier. {RULE}"),
        ({"enabled_stores": "schön:memory"}, f"{ENABLED}'schön' cannot be a store's identifier. {RULE}"),
        ({"enabled_stores": "..:memory"}, f"{ENABLED}'..' cannot be a store's identifier. {RULE}"),
        ({"enabled_stores": f"{'a' * 65}:memory"}, f"{ENABLED}'{'a' * 65}' cannot be a store's identifier. {RULE}"),
        ({"enabled_stores": "imgstore:memory"}, f"{ENABLED}the identifier 'imgstore' is reserved. Choose another one."),
        ({"enabled_stores": "Service:memory"}, f"{ENABLED}the identifier 'Service' is reserved. Choose another one."),
        ({"enabled_stores": "DEFAULT:memory"}, f"{ENABLED}the identifier 'DEFAULT' is reserved. Choose another one."),
        ({"enabled_stores": "Host:memory"}, f"{ENABLED}the identifier 'Host' is reserved. Choose another one."),
        (
            {"enabled_stores": "os_glance_staging_store:memory"},
            f"{ENABLED}the identifier 'os_glance_staging_store' is reserved. Choose another one.",
        ),
        ({"default_store": None}, f"{DEFAULT}is not set, and there are several stores. Name one of: fast, scratch."),
        ({"default_store": "slow"}, f"{DEFAULT}store 'slow' is not enabled. Name one of: fast, scratch."),
        (
            {"max_image_size": "10G"},
            "[imgstore] max_image_size: '10G' is not valid. Set it (size in bytes, or with a suffix as in 10GiB, "
            "at least 0): The largest image that is taken.",
        ),
        (
            {"project_quota": "-1"},
            "[imgstore] project_quota: '-1' is not valid. Set it (size in bytes, or with a suffix as in 10GiB, "
            "at least 0): Bytes that the images of one project may take in all stores together, uploads under way "
            "included; no limit if unset.",
        ),
        (
            {"max_image_size": ""},
            "[imgstore] max_image_size: is not set. Set it (size in bytes, or with a suffix as in 10GiB, at least 0): "
            "The largest image that is taken.",
        ),
        (
            {"hash_algorithm": "shake_128"},
            "[imgstore] hash_algorithm: 'shake_128' is not valid (use sha512, sha256 or another algorithm of hashlib "
            "with a digest of fixed length). Set it (name of a hash algorithm): Algorithm of os_hash_value, computed "
            "while the image is taken: sha512, sha256, sha384, blake2b, sha3_256 and so on.",
        ),
        (
            {"checksum": "perhaps"},
            "[imgstore] checksum: 'perhaps' is not valid (Unexpected boolean value 'perhaps'). Set it (boolean value): "
            "Whether the md5 checksum is computed too, for clients that know no other.",
        ),
        (
            {"several_stores": "some"},
            "[imgstore] several_stores: 'some' is not valid (Valid values are [off, all, any], but found 'some'). Set "
            "it (string value, one of off, all, any): Whether one upload may go to several stores, named with commas "
            "in X-Image-Meta-Store: 'fast,archive'.",
        ),
    ],
    ids=lambda value: next(f"{k}={v}" for k, v in value.items())[:40] if isinstance(value, dict) else "",
)
def test_a_bad_option_of_the_service_is_refused(tmp_path: Path, options: dict[str, str | None], line: str) -> None:
    error = refusal(tmp_path, changed("imgstore", **options), extra={"host": ()})
    assert str(error) == line
    assert (error.section, error.option) == ("imgstore", next(iter(options)))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"chunk_size": "12"},
            "'12' is not valid. Set it (size in bytes, or with a suffix as in 10GiB, at least 4096, at most 67108864): "
            "Most bytes that one read takes from a file.",
        ),
        (
            {"chunk_size": "much"},
            "'much' is not valid. Set it (size in bytes, or with a suffix as in 10GiB, at least 4096, at most 67108864)"
            ": Most bytes that one read takes from a file.",
        ),
        (
            {"weight": "heavy"},
            "'heavy' is not valid. Set it (integer value): Where an image is in several stores, it is read from the "
            "one with the highest weight first.",
        ),
        (
            {"datadir": None},
            "is not set. Set it (string value): Directory that holds the images, one file each, named by its key.",
        ),
        ({"description": "cheap, $5 a $month"}, "a '$' in the value names no option. Write '$$' for a dollar sign."),
    ],
    ids=["range", "type", "common option", "required", "dollar"],
)
def test_a_bad_option_of_a_store_is_refused(tmp_path: Path, options: dict[str, str | None], line: str) -> None:
    name = next(iter(options))
    error = refusal(tmp_path, changed("fast", **options))
    assert str(error) == f"[fast] {name}: {line}"
    assert (error.section, error.option) == ("fast", name)


@pytest.mark.parametrize(
    ("section", "option", "meant"),
    [
        ("imgstore", "defualt_store", "default_store"),
        ("fast", "data_dir", "datadir"),
        ("fast", "file-mode", "file_mode"),
        ("scratch", "read-only", "read_only"),
        ("host", "nmae", "name"),
    ],
)
def test_a_misspelt_option_is_refused(tmp_path: Path, section: str, option: str, meant: str) -> None:
    sections = {**GOOD, "host": {"name": "here"}}
    text = ini({**sections, section: {**sections.get(section, {}), option: "x"}})
    line = str(refusal(tmp_path, text, extra=HOST))
    path = tmp_path / "imgstore.conf"
    assert line.startswith(
        f"[{section}] {option}: no such option (in {path}). Did you mean '{meant}'? Correct or remove it; there are: "
    )
    assert f" {meant}," in line or line.endswith(f" {meant}.") or f": {meant}," in line


@pytest.mark.parametrize(
    ("section", "hint"),
    [
        ("Imgstroe", " Did you mean 'imgstore'?"),
        ("fats", " Did you mean 'fast'?"),
        ("host", ""),
        ("DEFAULT", ""),
    ],
)
def test_a_section_that_nobody_knows_is_refused(tmp_path: Path, section: str, hint: str) -> None:
    assert str(refusal(tmp_path, ini({**GOOD, section: {"a": "b"}}))) == (
        f"[{section}]: no such section (in {tmp_path / 'imgstore.conf'}).{hint} "
        "Add it to enabled_stores if it is a store, else correct it or comment it out."
    )


def test_an_option_that_is_set_twice_in_one_file_is_refused(tmp_path: Path) -> None:
    line = str(refusal(tmp_path, ini(GOOD) + "[fast]\ndatadir = /srv/other\n"))
    assert line == f"[fast] datadir: is set 2 times in {tmp_path / 'imgstore.conf'}. Leave one of them."


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "[imgstore]: the configuration file {} cannot be read: No such file or directory. {}"),
        (b"\xff\xfe", "[imgstore]: the configuration file {} cannot be read: it is not text in UTF-8. {}"),
    ],
    ids=["missing", "not text"],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, line: str) -> None:
    path = tmp_path / "imgstore.conf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        config.load([str(path)])
    assert str(caught.value) == line.format(path, "Name a file that exists and that the service may read.")


def test_a_directory_is_not_a_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read: Is a directory\."):
        config.load([str(tmp_path)])


@pytest.mark.parametrize(
    ("text", "section", "number", "reason"),
    [
        ("[fast]\nhunter2\n", "fast", 2, "No ':' or '=' found in assignment"),
        ("secret = hunter2\n", "imgstore", 1, "Section must be started before assignment"),
        ("[fast\nsecret = hunter2", "imgstore", 1, "Invalid section (must end with ])"),
        ("[fast]\n   hunter2\n", "fast", 2, "Unexpected continuation line"),
    ],
    ids=["no assignment", "no section", "open bracket", "continuation"],
)
def test_a_file_that_is_not_ini_is_refused_without_its_text(
    tmp_path: Path, text: str, section: str, number: int, reason: str
) -> None:
    assert str(refusal(tmp_path, text)) == (
        f"[{section}]: line {number} of {tmp_path / 'imgstore.conf'} cannot be understood ({reason}). "
        "Write 'option = value' lines under a '[section]' line."
    )


@pytest.mark.parametrize("value", ["hunter2", "$hunter2"])
@pytest.mark.parametrize("option", ["pin", "token"])
def test_law_7_no_secret_is_shown(tmp_path: Path, option: str, value: str) -> None:
    if option == "token" and not value.startswith("$"):
        value = "${hunter2}"
    error = refusal(tmp_path, ini({**GOOD, "host": {"name": "here", option: value}}), extra=HOST)
    assert (error.section, error.option) == ("host", option)
    assert "hunter2" not in str(error) + repr(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ is True


def test_a_required_option_of_the_host_is_refused_when_it_is_missing(tmp_path: Path) -> None:
    assert str(refusal(tmp_path, ini({**GOOD, "host": {}}), extra=HOST)).startswith("[host] name: is not set. ")


def test_a_bad_value_in_the_environment_is_refused_with_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_FAST__CHUNK_SIZE", "12")
    assert str(refusal(tmp_path, ini(GOOD))).startswith("[fast] chunk_size: '12' is not valid. ")


def test_what_a_driver_refuses_gets_the_section_of_its_store(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    path.write_text(changed("fast", datadir="images"))
    with pytest.raises(ConfigurationError) as caught:
        config.build_stores(config.load([str(path)]))
    assert str(caught.value) == (
        "[fast] datadir: 'images' is not an absolute path. Name a directory from / on, without '..'."
    )


def test_a_datadir_that_cannot_be_made_is_refused_at_the_check(tmp_path: Path) -> None:
    path, occupied = tmp_path / "imgstore.conf", tmp_path / "file"
    occupied.touch()
    path.write_text(changed("fast", datadir=str(occupied / "images")))
    stores = config.build_stores(config.load([str(path)]))
    with pytest.raises(ConfigurationError) as caught:
        stores.check()
    assert (caught.value.section, caught.value.option) == ("fast", "datadir")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"[fast] datadir: {occupied / 'images'} is not a directory. Name a directory")


def test_a_datadir_that_cannot_be_written_is_refused_at_the_check(tmp_path: Path) -> None:
    path = tmp_path / "imgstore.conf"
    path.write_text(changed("fast", datadir="/sys/imgstore"))  # refused to root, too
    with pytest.raises(ConfigurationError) as caught:
        config.build_stores(config.load([str(path)])).check()
    line = str(caught.value)
    assert line.startswith("[fast] datadir: /sys/imgstore cannot be created (E")
    assert line.endswith(" Create it and give it to the user that the service runs as.")


def test_inspection_without_its_extra_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "imgstore.transfers.inspection", raising=False)
    monkeypatch.setitem(sys.modules, "oslo_utils", None)
    monkeypatch.setitem(sys.modules, "oslo_utils.imageutils", None)
    path = tmp_path / "imgstore.conf"
    path.write_text(ini(GOOD))
    with pytest.raises(ConfigurationError) as caught:
        config.build_taps(config.load([str(path)]))
    assert str(caught.value) == (
        "[imgstore] inspection: is on, but the module 'oslo_utils.imageutils' is missing. "
        "Install it: pip install 'imgstore[inspection]', or set inspection = false."
    )
    path.write_text(changed("imgstore", inspection="false"))
    assert config.build_taps(config.load([str(path)])) == []


def test_a_section_that_the_host_has_registered_is_no_store(tmp_path: Path) -> None:
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[], default_config_dirs=[])
    conf.register_opt(cfg.StrOpt("description", default="the host's"), group="fast")
    conf.register_opts(OPTIONS, group="imgstore")
    conf.set_override("enabled_stores", ["fast:memory"], group="imgstore")
    with pytest.raises(ConfigurationError, match=r"the identifier 'fast' is reserved\."):
        config.build_stores(conf)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "imgstore.conf"
    os.symlink(loop, loop)
    with pytest.raises(ConfigurationError, match=r"cannot be read: Too many levels of symbolic links\."):
        config.load([str(loop)])
