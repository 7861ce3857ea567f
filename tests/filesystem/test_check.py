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
from tests.filesystem.support import names, put


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("datadir", ""), ("datadir", "images"), ("datadir", "./images"), ("datadir", "/srv/../etc"),
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


@pytest.mark.parametrize("value", ["/srv/images/", "//srv//images", "/srv/./images"])
def test_a_datadir_has_one_spelling_in_urls(value: str) -> None:
    assert FilesystemDriver(datadir=value).url("a") == "file:///srv/images/a"


def test_a_missing_datadir_is_not_made_by_a_check(kind: type[FilesystemDriver], tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="imgstore check --create"):
        kind(datadir=str(tmp_path / "a")).check()
    assert not (tmp_path / "a").exists()


def test_the_mode_of_a_datadir_that_is_there_is_not_changed(kind: type[FilesystemDriver], datadir: Path) -> None:
    datadir.chmod(0o777)
    kind(datadir=str(datadir)).check()
    assert stat.S_IMODE(datadir.stat().st_mode) == 0o777


def test_a_check_leaves_the_datadir_as_it_was(driver: FilesystemDriver, datadir: Path) -> None:
    put(driver, "image", b"content")
    driver.check()
    driver.check()
    assert names(datadir) == ["image"]


@pytest.mark.parametrize("below", ["", "/images", "/a/b"])
def test_a_datadir_that_is_a_file_names_the_option(kind: type[FilesystemDriver], tmp_path: Path, below: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(errors.ConfigurationError) as caught:
        kind(datadir=f"{path}{below}").check()
    assert caught.value.option == "datadir"
    assert "is not a directory" in str(caught.value)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_datadir_that_cannot_be_written_names_the_option(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The modes of a directory mean nothing to root, so the answer is made up."""
    monkeypatch.setattr(os, "open", _refusing(os.open, number, lambda args: bool(args[1] & os.O_WRONLY)))
    with pytest.raises(errors.ConfigurationError) as caught:
        driver.check()
    assert caught.value.option == "datadir"
    assert errno.errorcode[number] in str(caught.value)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_a_filesystem_without_hard_links_is_told_so(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", _refusing(os.link, number, lambda args: True))
    with pytest.raises(errors.ConfigurationError) as caught:
        driver.check()
    assert caught.value.option == "datadir"
    assert "hard links" in str(caught.value)
    with pytest.raises(errors.StoreUnavailable):
        put(driver, "image", b"content")
    assert names(datadir) == []


def test_a_filesystem_that_cannot_sync_a_directory_is_told_so(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_directory(args: tuple[Any, ...]) -> bool:
        return stat.S_ISDIR(os.fstat(args[0]).st_mode)

    monkeypatch.setattr(os, "fsync", _refusing(os.fsync, errno.EINVAL, of_directory))
    with pytest.raises(errors.ConfigurationError) as caught:
        driver.check()
    assert caught.value.option == "fsync"
    assert names(datadir) == []


def test_a_full_disk_is_not_a_wrong_configuration(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", _refusing(os.pwrite, errno.ENOSPC, lambda args: True))
    with pytest.raises(errors.StoreFull):
        driver.check()
    assert names(datadir) == []


def test_a_disk_that_gives_back_something_else_is_found_out(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, bytes(len(data)), offset))
    with pytest.raises(errors.IntegrityError):
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


def _refusing(
    real: Callable[..., Any], number: int, when: Callable[[tuple[Any, ...]], bool]
) -> Callable[..., Any]:  # fmt: skip
    def call(*args: Any, **kwargs: Any) -> Any:
        if when(args):
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    return call
