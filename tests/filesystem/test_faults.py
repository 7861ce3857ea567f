"""Every system call will fail some day: the right error, every descriptor returned, nothing left, and a retry works."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.driver.place import MARK_NAME, new_mark
from imgstore.drivers.filesystem import FilesystemDriver, output, staging
from imgstore.drivers.filesystem.direct import Buffers
from tests.filesystem.faults import OS_CALLS, Faults, When
from tests.filesystem.scenarios import CONTENT, EXPECTED, KEY, SCENARIOS, purge
from tests.filesystem.support import Named, names, open_descriptors
from tests.support.failed_undo import recovers_what_stayed

NUMBERS = list(EXPECTED)
WAYS = [(When.BEFORE, 0), (When.BEFORE, 3), (When.AFTER, 1), (When.FOREVER, 2)]
"""How the calls fail, and with which reason the first of them: those that follow fail for the next reasons in turn."""
HARMLESS = {"posix_fadvise", "close"}
"""Calls that may fail without harm: advice, and the end of a descriptor that nothing was written through. That the end
of the file being written is none of these is a test of its own."""

MARK = new_mark()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    monkeypatch.setattr(output, "WINDOW", 3000)
    monkeypatch.setattr(output, "BLOCK", 512)
    return Faults(monkeypatch)


class Direct(Named):
    """Past the page cache as soon as there is a block."""

    BUFFERS = Buffers(start=1024, size=1024, count=2)


KINDS: dict[str, type[FilesystemDriver]] = {"probing": FilesystemDriver, "named": Named, "direct": Direct}


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def prepare(request: pytest.FixtureRequest, datadir: Path) -> Callable[[], FilesystemDriver]:
    """Makes a driver that was not used yet, on a datadir with one object and one leftover in it."""
    return lambda: _fresh(request.param, datadir)


def _fresh(kind: type[FilesystemDriver], datadir: Path) -> FilesystemDriver:
    shutil.rmtree(datadir)
    datadir.mkdir()
    (datadir / "present").write_bytes(CONTENT)
    (datadir / staging.hidden_name("dead")).write_bytes(b"half")
    # An unusual mode, so that the staged file's has to be changed.
    return kind(
        datadir=str(datadir), capacity=10**9, free_space_reserve=1, thin_provisioning=True, file_mode="0624",
        direct_io="on" if kind is Direct else "off",
    )  # fmt: skip


STORES_NOTHING = {"read", "look up", "delete"}


@pytest.mark.parametrize(("when", "first"), WAYS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_system_call_may_fail(
    prepare: Callable[[], FilesystemDriver], faults: Faults, datadir: Path, scenario: str, when: When, first: int
) -> None:
    driver = prepare()
    with faults.counting():
        SCENARIOS[scenario](driver)
    for index, call in enumerate(list(faults.calls)):
        number = NUMBERS[(index + first) % len(NUMBERS)]
        driver = prepare()
        before = open_descriptors()
        error = None
        with faults.counting(fail_at=index, number=number, when=when):
            try:
                SCENARIOS[scenario](driver)
            except errors.ImgstoreError as raised:
                error = raised
        where = f"{call}, call {index} of {faults.calls}"
        assert open_descriptors() == before, where
        _expect_blame(error, call, number, scenario, where)
        if scenario == "write" and when is not When.FOREVER:
            _expect_all_or_nothing(datadir, error, where)
        _expect_recovery(driver, datadir, scenario, when, where)


def _expect_blame(
    error: errors.ImgstoreError | None, call: str, number: int, scenario: str, where: str
) -> None:  # fmt: skip
    if error is None:
        advice = call == "start_writing" and number in {errno.EACCES, errno.EROFS, errno.EFBIG}
        assert call in HARMLESS or advice, where
    elif scenario == "check" and isinstance(error, errors.ConfigurationError):
        assert number in {errno.EACCES, errno.EROFS}, where
        assert error.option == "datadir", where
    else:
        full = EXPECTED[number] is errors.StoreFull and scenario in STORES_NOTHING
        assert type(error) is (errors.StoreUnavailable if full else EXPECTED[number]), where
        assert "/" not in str(error), where


def _expect_all_or_nothing(datadir: Path, error: errors.ImgstoreError | None, where: str) -> None:
    assert ((datadir / KEY).exists()) is (error is None), where
    hidden = [name for name in names(datadir) if name.startswith(".")]
    assert len(hidden) == 1, where
    assert "-dead-" in hidden[0], where


def _expect_recovery(driver: FilesystemDriver, datadir: Path, scenario: str, when: When, where: str) -> None:
    purge(driver)
    left = set(names(datadir))
    assert left <= {"present", KEY}, where
    assert scenario == "delete" or "present" in left, where
    for name in left:
        assert (datadir / name).read_bytes() == CONTENT, where
    assert scenario == "write" or KEY not in left, where
    if KEY in left:
        driver.delete(KEY)
    if scenario != "delete" or "present" in left:
        SCENARIOS[scenario](driver)


def test_every_kind_of_call_is_made_to_fail(datadir: Path, faults: Faults) -> None:
    """The scenarios together reach every call that can be made to fail, except those that only make the datadir."""
    made = set()
    for kind, scenario in itertools.product(KINDS.values(), SCENARIOS.values()):
        driver = _fresh(kind, datadir)
        with faults.counting():
            scenario(driver)
        made.update(faults.calls)
    assert {*OS_CALLS, "flock", "fcntl", "start_writing"} - made == {"chmod", "mkdir"}


@pytest.mark.parametrize("when", When, ids=lambda when: when.value)
def test_a_datadir_that_cannot_be_made_is_told(tmp_path: Path, faults: Faults, when: When) -> None:
    (tmp_path / "other").mkdir()  # the calls are the same each time: above is never empty
    with faults.counting():
        Named(datadir=str(tmp_path / "whole" / "images")).write_mark(MARK)
    assert {"chmod", "mkdir"} <= set(faults.calls)
    for index, call in enumerate(list(faults.calls)):
        number = NUMBERS[index % len(NUMBERS)]
        driver = Named(datadir=str(tmp_path / str(index) / "images"))
        before = open_descriptors()
        with faults.counting(fail_at=index, number=number, when=when):
            try:
                driver.write_mark(MARK)
            except (errors.ConfigurationError, EXPECTED[number]):
                pass
            else:
                assert call == "close"
        assert open_descriptors() == before, call
        assert driver.write_mark(MARK) == MARK
        purge(driver)
        assert names(tmp_path / str(index) / "images") == [MARK_NAME]


def test_undone_by_recovery_where_the_abort_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datadir = tmp_path / "images"
    with monkeypatch.context() as broken:

        def fail() -> None:
            broken.setattr(os, "fsync", _failing)
            broken.setattr(os, "unlink", _failing)

        driver = Named(datadir=str(datadir))
        listed = partial(names, datadir)
        recovers_what_stayed(tmp_path, driver, b"content", fail=fail, heal=broken.undo, names=lambda: set(listed()))


def _failing(*arguments: object, **options: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))
