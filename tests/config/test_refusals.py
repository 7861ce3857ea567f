"""Bad configuration stops the start with one line: section, option and cure (right blame), no secret."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from oslo_config import cfg, types

from imgstore import config
from imgstore.config.options import OPTIONS, STORE_OPTIONS
from imgstore.errors import ConfigurationError
from imgstore.service.options import OPTIONS as SERVICE_OPTIONS

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


ENABLED = "[imgstore] enabled_stores: "
RULE = "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter, a digit or '_'."
TWICE = "is listed twice. Give every store an identifier of its own; upper and lower case are the same."
PAIRS = ("fast", ":x", "x:")
IMPOSSIBLE = ("a b", "schön", "..", "a" * 65)
RESERVED = ("imgstore", "Service", "DEFAULT", "Host", "os_glance_staging_store")
NONE = f"{ENABLED}no store is enabled. Name one, as in 'enabled_stores = fast:filesystem'."
SIZE = "Set it (size in bytes, or with a suffix as in 10GiB, at least 0):"
LARGEST = f"{SIZE} Size of the largest image that is accepted."


def test_bad_enabled_stores_are_refused(tmp_path: Path) -> None:
    lines: dict[str | None, str] = {
        None: NONE,
        "": NONE,
        **{e: f"{ENABLED}'{e}' is not 'identifier:driver'. Write it as in 'fast:filesystem'." for e in PAIRS},
        "a:memory, a:filesystem": f"{ENABLED}store 'a' {TWICE}",
        "a:memory, A:memory": f"{ENABLED}store 'A' {TWICE}",
        **{f"{i}:memory": f"{ENABLED}'{i}' cannot be a store's identifier. {RULE}" for i in IMPOSSIBLE},
        **{f"{i}:memory": f"{ENABLED}the identifier '{i}' is reserved. Choose another one." for i in RESERVED},
    }
    for value, line in lines.items():
        error = refusal(tmp_path, changed("imgstore", enabled_stores=value), extra={"host": ()})
        assert (str(error), error.section, error.option) == (line, "imgstore", "enabled_stores")


CHUNK = "Set it (size in bytes, or with a suffix as in 10GiB, at least 4096, at most 67108864):"
CHUNK_SIZE = f"{CHUNK} Most bytes that one read takes from a file."
QUOTA = f"{SIZE} Bytes that the images and uploads of one project may take in all stores together; no limit if unset."
NAMES = "sha512, sha256, sha384, blake2b, sha3_256 and so on."
HASH = f"Set it (name of a hash algorithm): Algorithm of os_hash_value: {NAMES}"
DIGEST = "use sha512, sha256 or another algorithm of hashlib with a digest of fixed length"
MD5 = "Set it (boolean value): Whether the md5 checksum is computed too, for clients that know no other."
SEVERAL = "Set it (string value, one of off, all, any): Whether one upload may go to several stores."
WEIGHT = "Set it (integer value): An image in several stores is read from the store with the highest weight first."
DATADIR = "Set it (string value): Directory that holds the images, one file each, named by its key."


def test_a_bad_option_is_refused(tmp_path: Path) -> None:
    for section, option, value, line in (
        ("imgstore", "default_store", None, "is not set, and there are several stores. Name one of: fast, scratch."),
        ("imgstore", "default_store", "slow", "store 'slow' is not enabled. Name one of: fast, scratch."),
        ("imgstore", "max_image_size", "10G", f"'10G' is not valid. {LARGEST}"),
        ("imgstore", "max_image_size", "", f"is not set. {LARGEST}"),
        ("imgstore", "project_quota", "-1", f"'-1' is not valid. {QUOTA}"),
        ("imgstore", "hash_algorithm", "shake_128", f"'shake_128' is not valid ({DIGEST}). {HASH}"),
        ("imgstore", "checksum", "no?", f"'no?' is not valid (Unexpected boolean value 'no?'). {MD5}"),
        (
            "imgstore", "several_stores", "some",
            f"'some' is not valid (Valid values are [off, all, any], but found 'some'). {SEVERAL}",
        ),
        ("fast", "chunk_size", "12", f"'12' is not valid. {CHUNK_SIZE}"),
        ("fast", "chunk_size", "much", f"'much' is not valid. {CHUNK_SIZE}"),
        ("fast", "weight", "heavy", f"'heavy' is not valid. {WEIGHT}"),
        ("fast", "datadir", None, f"is not set. {DATADIR}"),
        ("fast", "description", "a $month", "a '$' in the value names no option. Write '$$' for a dollar sign."),
    ):  # fmt: skip
        error = refusal(tmp_path, changed(section, **{option: value}))
        assert str(error) == f"[{section}] {option}: {line}"
        assert (error.section, error.option) == (section, option)


def test_a_misspelt_option_is_refused(tmp_path: Path) -> None:
    sections = {**GOOD, "host": {"name": "here"}}
    for section, option, meant in (
        ("imgstore", "defualt_store", "default_store"),
        ("fast", "data_dir", "datadir"),
        ("fast", "file-mode", "file_mode"),
        ("scratch", "read-only", "read_only"),
        ("host", "nmae", "name"),
    ):
        text = ini({**sections, section: {**sections.get(section, {}), option: "x"}})
        line, _, known = str(refusal(tmp_path, text, extra=HOST)).partition(" Correct or remove it; there are: ")
        path = tmp_path / "imgstore.conf"
        assert line == f"[{section}] {option}: no such option (in {path}). Did you mean '{meant}'?"
        assert meant in known.rstrip(".").split(", ")


def test_a_section_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    hints = {"Imgstroe": " Did you mean 'imgstore'?", "fats": " Did you mean 'fast'?", "host": "", "DEFAULT": ""}
    for section, hint in hints.items():
        assert str(refusal(tmp_path, ini({**GOOD, section: {"a": "b"}}))) == (
            f"[{section}]: no such section (in {tmp_path / 'imgstore.conf'}).{hint} "
            "Add it to enabled_stores if it is a store; else correct it or comment it out."
        )


def test_an_option_that_is_set_twice_in_one_file_is_refused(tmp_path: Path) -> None:
    for section in ("fast", "FAST"):
        line = str(refusal(tmp_path, ini(GOOD) + f"[{section}]\ndatadir = /srv/other\n"))
        assert line == f"[{section}] datadir: is set 2 times in {tmp_path / 'imgstore.conf'}. Leave one of them."


def test_no_time_is_longer_than_the_kernel_waits() -> None:
    drivers = [point.load().OPTIONS for point in entry_points(group="imgstore.drivers")]
    times = [
        option for options in (OPTIONS, STORE_OPTIONS, SERVICE_OPTIONS, *drivers) for option in options
        if isinstance(option.type, types.Float)
    ]  # fmt: skip
    assert {"max_wait", "body_timeout", "read_timeout"} <= {option.dest for option in times}
    with socket.socket() as waiting:
        for option in times:
            waiting.settimeout(option.type.max)
            assert waiting.gettimeout(), option.name


def test_what_is_made_for_each_transfer_or_connection_is_bounded(tmp_path: Path) -> None:
    assert "at most 65535" in str(refusal(tmp_path, changed("fast", max_transfers="1000000000000")))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary, loop = tmp_path / "binary", tmp_path / "loop"
    binary.write_bytes(b"\xff\xfe")
    loop.symlink_to(loop)
    reasons = {
        tmp_path / "missing": "No such file or directory",
        tmp_path: "Is a directory",
        binary: "it is not text in UTF-8",
        loop: "Too many levels of symbolic links",
    }
    for path, reason in reasons.items():
        with pytest.raises(ConfigurationError) as caught:
            config.load([str(path)])
        assert str(caught.value) == (
            f"[imgstore]: the configuration file {path} cannot be read: {reason}. "
            "Name a file that exists and that the service may read."
        )


def test_a_file_that_is_not_ini_is_refused_without_its_text(tmp_path: Path) -> None:
    for text, section, number, reason in (
        ("[fast]\nhunter2\n", "fast", 2, "No ':' or '=' found in assignment"),
        ("secret = hunter2\n", "imgstore", 1, "Section must be started before assignment"),
        ("[fast\nsecret = hunter2", "imgstore", 1, "Invalid section (must end with ])"),
        ("[fast]\n   hunter2\n", "fast", 2, "Unexpected continuation line"),
    ):
        assert str(refusal(tmp_path, text)) == (
            f"[{section}]: line {number} of {tmp_path / 'imgstore.conf'} cannot be understood ({reason}). "
            "Write 'option = value' lines under a '[section]' line, and remarks on lines of their own."
        )


def test_no_secrets_are_shown(tmp_path: Path) -> None:
    for option, value in (("pin", "hunter2"), ("pin", "$hunter2"), ("token", "${hunter2}"), ("token", "$hunter2")):
        error = refusal(tmp_path, ini({**GOOD, "host": {"name": "here", option: value}}), extra=HOST)
        assert (error.section, error.option) == ("host", option)
        assert "hunter2" not in str(error) + repr(error)
        assert (error.__cause__, error.__suppress_context__) == (None, True)


def test_no_secrets_in_a_url_that_may_be_shown(tmp_path: Path) -> None:
    dsn = cfg.StrOpt("dsn", secret=True)
    extra = {"host": [cfg.StrOpt("url"), cfg.ListOpt("urls"), cfg.URIOpt("uri", schemes=["https"]), dsn]}
    url = "http://user:hunter2@[::1]:80/v3"
    for option, value, problem in (
        ("url", url, "a user or a password is in the URL."), ("urls", f"http://a, {url}", "a user or a password"),
        ("url", "ftp://hunter2@h", "a user or a password"), ("uri", url, "the value is not valid."),
    ):  # fmt: skip
        error = refusal(tmp_path, ini({**GOOD, "host": {option: value}}), extra=extra)
        assert str(error).startswith(f"[host] {option}: {problem}")
        assert "hunter2" not in str(error)
    good = {"url": "http://h/a@b", "urls": "https://h?x=a://b@c", "dsn": url}
    path = tmp_path / "good.conf"
    path.write_text(ini({**GOOD, "host": good}))
    config.load([str(path)], extra=extra)


def test_an_option_of_the_host_or_in_the_environment_is_refused_with_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert str(refusal(tmp_path, ini({**GOOD, "host": {}}), extra=HOST)).startswith("[host] name: is not set. ")
    monkeypatch.setenv("OS_FAST__CHUNK_SIZE", "12")
    assert str(refusal(tmp_path, ini(GOOD))).startswith("[fast] chunk_size: '12' is not valid. ")


def test_what_a_driver_refuses_gets_the_section_of_its_store(tmp_path: Path) -> None:
    """A path that is not absolute when the store is built, others at its check; /sys is refused to root, too."""
    path, occupied = tmp_path / "imgstore.conf", tmp_path / "file"
    occupied.touch()
    for datadir, problem, cure in (
        ("images", "'images' is not an absolute path.", "Name a directory from / on, without '..'."),
        (f"{occupied}/images", f"{occupied}/images is not a directory.", "Name a directory"),
        ("/sys/imgstore", "/sys/imgstore cannot be created (E", "give it to the user that the service runs as."),
    ):
        path.write_text(changed("fast", datadir=datadir))
        with pytest.raises(ConfigurationError) as caught:
            config.build_stores(config.load([str(path)])).check(create=True)
        assert (caught.value.section, caught.value.option) == ("fast", "datadir")
        line = str(caught.value)
        assert (line.startswith(f"[fast] datadir: {problem}"), cure in line, "\n" in line) == (True, True, False)


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
        "Install it: pip install 'imgstore-backends[inspection]'. Or set inspection = false."
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
