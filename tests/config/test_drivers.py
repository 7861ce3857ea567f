"""Drivers of third parties: found by name, and each that cannot work refused in one line with its cure."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.packages import DRIVER, Start, install, start, start_process

REPORT = "Report it to the driver's author, or use another driver."


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def started(tmp_path: Path, *sites: Path, driver: str = "tape", starting: Callable[..., Start] = start) -> Start:
    config = tmp_path / "imgstore.conf"
    config.write_text(f"[imgstore]\nenabled_stores = archive:{driver}\n")
    return starting(config, *sites)


def refusal(tmp_path: Path, *sites: Path) -> str:
    ended = started(tmp_path, *sites)
    assert (ended.section, ended.option) == ("imgstore", "enabled_stores")
    assert "\n" not in ended.refused
    prefix = "[imgstore] enabled_stores: driver 'tape' "
    assert ended.refused.startswith(prefix)
    return ended.refused[len(prefix) :]


POINT = "tape = acme_tape:Driver"


def broken(site: Path, code: str, *, entry_points: Sequence[str] = (POINT,), metadata: Sequence[str] = ()) -> None:
    install(site, "acme-tape", entry_points=entry_points, code=code, metadata=metadata)


def test_a_driver_of_another_package_is_used_by_its_name_falsy_or_not(tmp_path: Path, site: Path) -> None:
    falsy = f"{DRIVER}    def __bool__(self): return False\n    def __len__(self): return 0"
    for path, code in ((site, DRIVER), (tmp_path / "falsy", falsy)):
        broken(path, code)
        assert started(tmp_path, path).built == {"archive": "Driver"}


def test_only_the_named_driver_is_imported_and_the_home_stays_empty(tmp_path: Path, site: Path) -> None:
    broken(site, "raise RuntimeError('nobody asked for me')")
    ended = started(tmp_path, site, driver="memory", starting=start_process)
    assert ended.built == {"archive": "MemoryDriver"}
    assert {"acme_tape", "imgstore.drivers.filesystem"}.isdisjoint(ended.modules)
    assert {path.name for path in tmp_path.iterdir()} == {"imgstore.conf", "site"}


def test_a_driver_that_is_installed_over_itself_is_the_new_one(tmp_path: Path, site: Path) -> None:
    broken(site, DRIVER)
    points = site / "acme_tape-1.0.dist-info" / "entry_points.txt"
    started(tmp_path, site)
    before = points.stat()
    shutil.rmtree(points.parent)
    install(site, "acme-tape", entry_points=["disk = acme_tape:Driver"])
    os.utime(points, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert started(tmp_path, site, driver="disk").built == {"archive": "Driver"}
    assert "is not installed. Use one of: disk, filesystem, fsspec, glance_store, memory, s3, swift;" in refusal(
        tmp_path, site
    )


def test_an_unknown_driver_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    known = "Use one of: filesystem, fsspec, glance_store, memory, s3, swift; or install the package that has it."
    assert refusal(tmp_path) == f"is not installed. {known}"
    assert started(tmp_path, driver="Filesytem").refused == (
        f"[imgstore] enabled_stores: driver 'Filesytem' is not installed. Did you mean 'filesystem'? {known}"
    )


def test_the_same_entry_point_in_two_metadata_folders_is_one_driver(tmp_path: Path, site: Path) -> None:
    broken(site, DRIVER)
    install(tmp_path / "again", "acme-tape", entry_points=[POINT])
    assert started(tmp_path, site, tmp_path / "again").built == {"archive": "Driver"}


def test_two_drivers_of_one_name_are_refused_adjacent_or_not(tmp_path: Path, site: Path) -> None:
    install(tmp_path / "second", "zeta-tape", entry_points=["tape = zeta_tape:Driver"], code=DRIVER)
    for number, points in enumerate(([POINT], [POINT, "other = acme_tape:Other"])):
        first = tmp_path / f"first{number}"
        broken(first, DRIVER, entry_points=points)
        assert refusal(tmp_path, first, tmp_path / "second") == (
            "is installed more than once: acme_tape:Driver, zeta_tape:Driver. "
            "Uninstall the packages whose driver is not wanted."
        )


TWO = ("disk", "tape")


def test_a_missing_extra_is_named_with_the_command(tmp_path: Path) -> None:
    """As the entry point says, or the extra that requires the module, or the extra that is named as the driver is."""
    for number, (entry_point, extra, metadata) in enumerate((
        (f"{POINT} [robots]", "robots", ["Provides-Extra: robots"]),
        (POINT, "robots", ["Provides-Extra: robots", 'Requires-Dist: absent.robots>=1; extra == "robots"']),
        (POINT, "robots", ["Requires-Dist: absent-robots>=1 ; python_version > '3' and extra == 'robots'"]),
        (POINT, "Tape", ["Provides-Extra: disk", "Provides-Extra: Tape"]),
        (POINT, "tape", ["Provides-Extra: tape", *(f"Requires-Dist: absent_robots; extra=='{each}'" for each in TWO)]),
    )):  # fmt: skip
        site = tmp_path / f"site{number}"
        broken(site, "import absent_robots", entry_points=[entry_point], metadata=metadata)
        assert refusal(tmp_path, site) == (
            f"needs the module 'absent_robots', which is missing. Install it: pip install 'acme-tape[{extra}]'."
        )


def test_a_missing_module_of_ours_is_told_with_our_name_and_the_namesake(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    for name in [name for name in sys.modules if name.startswith("imgstore.drivers.s3")]:
        monkeypatch.delitem(sys.modules, name)
    line = started(tmp_path, driver="s3").refused
    assert line.endswith("Install it: pip install 'imgstore-backends[s3]'.")
    install(site, "imgstore")
    told = started(tmp_path, site, driver="s3").refused
    assert told == (
        f"{line} Another project's package, imgstore 1.0, overwrites files of imgstore-backends. Remove it and "
        "reinstall: pip uninstall imgstore; pip install --force-reinstall imgstore-backends."
    )


def test_an_import_that_no_extra_cures_is_told_as_it_is(tmp_path: Path) -> None:
    for number, (code, reason) in enumerate((
        ("import absent_robots", "No module named 'absent_robots'"),
        ("from acme_tape import nothing", "cannot import name 'nothing' from "),
        ("import acme_tape.nothing", "No module named 'acme_tape.nothing'; 'acme_tape' is not a package"),
    )):  # fmt: skip
        metadata = [] if "robots" in code else ["Provides-Extra: tape"]
        site = tmp_path / f"site{number}"
        broken(site, code, metadata=metadata)
        text = refusal(tmp_path, site)
        assert text.startswith(f"(acme_tape:Driver) cannot be imported: {reason}")
        assert text.endswith("Install what is missing, or reinstall the driver's package.")


FAILED = "(acme_tape:Driver) failed when it was imported:"
OTHER = "is not a subclass of imgstore.driver.StoreDriver."
SPI = "does not fit SPI 1 of imgstore:"
OLD_READER = "_open_reader(key, start, stop) must be _open_reader(key, start, stop, etag)"
OLD_CALLS = "_delete() must be _delete(key); leftovers() must be leftovers(*, older_than=0.0)"
OLD_WRITER = "\nfrom imgstore.driver import ObjectWriter\nclass Writer(ObjectWriter):\n    def _write(self): pass"
DIFFER = "has OPTIONS that differ from the keyword parameters of __init__:"
ABSTRACT = "from imgstore.driver import StoreDriver\nclass Driver(StoreDriver):\n    def check(self): pass"
CLASH = f"{DRIVER}    OPTIONS = (cfg.IntOpt('weight'),)\n    def __init__(self, *, weight): super().__init__()"


def test_what_is_not_a_whole_driver_is_refused(tmp_path: Path) -> None:
    for number, (code, problem) in enumerate((
        ("raise RuntimeError('no\\nrobots')", f"{FAILED} RuntimeError: no robots."),
        ("def", f"{FAILED} SyntaxError: invalid syntax (acme_tape.py, line 1)."),
        ("x = 1", f"{FAILED} AttributeError: module 'acme_tape' has no attribute 'Driver'."),
        ("class Driver: pass", OTHER),
        ("Driver = []", OTHER),
        (ABSTRACT, "does not implement _delete, _open_reader, _open_writer, _stat, key_from_url, url."),
        (f"{DRIVER}    def _open_reader(self, key, start, stop): pass", f"{SPI} {OLD_READER}."),
        (f"{DRIVER}    async def _stat(self, key): pass", f"{SPI} _stat must be no coroutine."),
        (f"{DRIVER}    def leftovers(self): pass\n    def _delete(self): pass", f"{SPI} {OLD_CALLS}."),
        (f"{DRIVER}{OLD_WRITER}", f"{FAILED} TypeError: Writer {SPI} _write() must be _write(chunk)."),
        (f"{DRIVER}    OPTIONS = ()", f"{DIFFER} capacity."),
        (f"{DRIVER}    def __init__(self, *, capacity, robots=1): pass", f"{DIFFER} robots."),
        (f"{DRIVER}    def __init__(self, *, capacity, **rest): pass", f"{DIFFER} **rest."),
        (f"{DRIVER}    OPTIONS = MemoryDriver.OPTIONS * 2", f"{DIFFER} capacity."),
        (f"{DRIVER}    OPTIONS = ('capacity',)", "has OPTIONS that are not options of oslo.config."),
        (f"from oslo_config import cfg\n{CLASH}", "has options that every store has: weight."),
    )):  # fmt: skip
        site = tmp_path / f"site{number}"
        broken(site, code)
        assert refusal(tmp_path, site) == f"{problem} {REPORT}"


@pytest.mark.parametrize("failure", ["ValueError", "SystemExit"])
def test_a_driver_that_fails_in_its_making_is_refused_without_the_values(
    tmp_path: Path, site: Path, failure: str
) -> None:
    broken(site, f"{DRIVER}    def __init__(self, *, capacity=None): raise {failure}('hunter2')")
    ended = started(tmp_path, site)
    assert ended.section == "archive"
    assert ended.refused == (
        f"[archive]: driver 'tape' failed with these options ({failure}). "
        "Check them against the driver's documentation; a driver should say which one is wrong."
    )


def test_what_was_built_is_closed_when_a_later_store_fails(tmp_path: Path, site: Path) -> None:
    broken(site, f"{DRIVER}    def close(self): open({str(tmp_path / 'closed')!r}, 'x').close()")
    install(
        site, "acme-bad", entry_points=["bad = acme_bad:Driver"],
        code=f"{DRIVER}    def __init__(self, *, capacity=None): raise ValueError",
    )  # fmt: skip
    config = tmp_path / "imgstore.conf"
    config.write_text("[imgstore]\nenabled_stores = a:tape, b:bad\ndefault_store = a\n")
    assert start(config, site).section == "b"
    assert (tmp_path / "closed").exists()
