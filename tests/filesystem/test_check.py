"""Bad configuration stops the start with the option's name and a cure; a good datadir is proved and left as it was."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver, staging
from tests.filesystem.support import failing, names, put, refuse


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("datadir", ""), ("datadir", "images"), ("datadir", "./images"), ("datadir", "/srv/../etc"),
        ("datadir", "/srv/images;"), ("datadir", "/srv/images // the disk"), ("datadir", "/srv/images "),
        ("datadir", "/a\0"), ("datadir", "/"), ("datadir", "//"), ("file_mode", "0240"), ("file_mode", "0999"),
        ("file_mode", "rw"), ("file_mode", "04755"), ("file_mode", ""), ("file_mode", "-640"),
        ("directory_mode", "0640"), ("directory_mode", "77"), ("chunk_size", 0), ("chunk_size", 1 << 40),
        ("chunk_size", True), ("direct_io", "maybe"), ("direct_io", True), ("free_space_reserve", -1), ("capacity", -1),
    ],
)  # fmt: skip
def test_a_bad_value_names_its_option(option: str, value: object) -> None:
    values: dict[str, Any] = {"datadir": "/srv/images", option: value}
    with pytest.raises(errors.ConfigurationError) as caught:
        FilesystemDriver(**values)
    assert caught.value.option == option
    assert caught.value.section == ""
    assert "\n" not in str(caught.value)


def test_a_datadir_has_one_spelling_in_urls() -> None:
    for value in ("/srv/images/", "//srv//images", "/srv/./images"):
        assert FilesystemDriver(datadir=value).url("a") == "file:///srv/images/a"


def test_a_missing_datadir_is_not_made_by_a_check(kind: type[FilesystemDriver], tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="imgstore check --create"):
        kind(datadir=str(tmp_path / "a")).check()
    assert not (tmp_path / "a").exists()


def test_a_datadir_that_is_a_file_names_the_option(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    for below in ("", "/images", "/a/b"):
        with pytest.raises(errors.ConfigurationError, match="is not a directory") as caught:
            FilesystemDriver(datadir=f"{path}{below}").check()
        assert caught.value.option == "datadir"


def of_directory(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def for_writing(path: str, flags: int, *mode: int) -> bool:
    """The modes of a directory mean nothing to root, so the answer is made up."""
    return bool(flags & os.O_WRONLY)


MISFIT: list[tuple[str, Callable[..., bool], list[int], str, str]] = [
    ("open", for_writing, [errno.EACCES, errno.EROFS, errno.EPERM], "datadir", "cannot be written ({})"),
    ("link", lambda *args: True, [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK], "datadir", "no hard links ({})"),
    ("fsync", of_directory, [errno.EINVAL], "fsync", "cannot sync a directory"),
]


def test_a_filesystem_that_does_not_fit_names_the_option(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, when, numbers, option, told in MISFIT:
        for number in numbers:
            with monkeypatch.context() as patch:
                refuse(patch, name, number, when)
                with pytest.raises(errors.ConfigurationError) as caught:
                    driver.check()
                assert caught.value.option == option
                assert told.format(errno.errorcode[number]) in str(caught.value)
                with pytest.raises(errors.StoreUnavailable):
                    put(driver, "image", b"content")
            assert names(datadir) == []


PWRITE = os.pwrite


@pytest.mark.parametrize(
    ("pwrite", "error"),
    [
        (failing(errno.ENOSPC), errors.StoreFull),
        (lambda fd, data, offset: PWRITE(fd, bytes(len(data)), offset), errors.IntegrityError),
    ],
    ids=["full", "gives back something else"],
)
def test_a_disk_that_fails_is_not_a_wrong_configuration(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch, pwrite: object, error: type[Exception]
) -> None:
    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(error):
        driver.check()
    assert names(datadir) == []


def test_a_purge_leaves_the_probe_of_a_check_alone(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A purge in another process comes while the probe has its name."""
    real = os.pread
    seen: list[str] = []

    def reading(fd: int, length: int, offset: int) -> bytes:
        seen.extend(names(datadir))
        assert list(driver.leftovers()) == []
        return real(fd, length, offset)

    monkeypatch.setattr(os, "pread", reading)
    driver.check()
    assert len(seen) == 1
    assert staging.is_hidden(seen[0])
