"""Parts that a process cannot be brought to show: other filesystems, exact words."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.cli.failures import BadUsage, Failure, line_of, status_of
from imgstore.cli.files import NewFile
from imgstore.cli.formatting import AlignedSizeCell, TimeCell, clock, duration, human


def test_sizes_in_words() -> None:
    words = {
        0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1024**2 - 1: "1.0 MiB", 1023 * 1024: "1023.0 KiB",
        64 * 1024**2: "64.0 MiB", 1024**6: "1.0 EiB", 5000 * 1024**6: "5000.0 EiB",
    }  # fmt: skip
    assert {size: human(size) for size in words} == words
    assert AlignedSizeCell(1536).human_readable() == "   1.5 KiB"
    assert AlignedSizeCell(1536).machine_readable() == 1536


def test_times_in_words() -> None:
    assert [clock(seconds) for seconds in (0, 59.6, 3599, 90061)] == ["0:00:00", "0:01:00", "0:59:59", "25:01:01"]
    assert TimeCell(0).machine_readable() == "1970-01-01T00:00:00Z"
    assert TimeCell(None).machine_readable() is None


def test_durations() -> None:
    seconds = {"0": 0, "90": 90, "90s": 90, "15m": 900, "1h": 3600, "2 d": 172800, "1W": 604800}
    assert {text: duration(text) for text in seconds} == seconds
    for text in ("", "h", "-1h", "1.5h", "1y", "1h30m", "9" * 20):
        with pytest.raises(ValueError, match="a duration is"):
            duration(text)


def test_statuses() -> None:
    statuses = {
        errors.ConfigurationError("x", section="a"): 2, errors.UnknownStore("x"): 2, errors.InvalidKey("x"): 2,
        errors.ObjectNotFound("x"): 3, errors.ObjectExists("x"): 4, errors.StoreFull("x"): 5,
        errors.StoreReadOnly("x"): 5, errors.IntegrityError("x"): 5, errors.CatalogUnavailable("x"): 5,
        errors.SizeMismatch("x"): 1, KeyError("x"): 1, BadUsage("x"): 2, Failure("x"): 1,
    }  # fmt: skip
    assert {error: status_of(error) for error in statuses} == statuses


def test_no_secrets_in_what_nobody_expected() -> None:
    assert line_of(ValueError("password=secret")) == "internal error: ValueError (--debug shows where)"


def _refusing(monkeypatch: pytest.MonkeyPatch, name: str, number: int, *, only: int = 0) -> None:
    real: Any = getattr(os, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if only == 0 or args[1] & only == only:
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    monkeypatch.setattr(os, name, call)


@pytest.fixture(params=["unnamed", "named", "no links"])
def filesystem(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Kinds of filesystems that a file is written to."""
    if request.param != "unnamed":
        _refusing(monkeypatch, "open", errno.EOPNOTSUPP, only=os.O_TMPFILE)
    if request.param == "no links":
        _refusing(monkeypatch, "link", errno.EPERM)
    return str(request.param)


@pytest.mark.parametrize("replace", [False, True])
def test_a_new_file_appears_whole_or_not_at_all(tmp_path: Path, filesystem: str, replace: bool) -> None:
    with NewFile(str(tmp_path / "file"), replace=replace) as file:
        file.write(b"part")
        assert not (tmp_path / "file").exists()
    assert list(tmp_path.iterdir()) == []
    if replace:
        (tmp_path / "file").write_bytes(b"before")
    with NewFile(str(tmp_path / "file"), replace=replace) as file:
        file.write(b"who")
        file.write(b"le")
        file.commit()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"whole")]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_new_file_does_not_replace_one_that_came_meanwhile(tmp_path: Path, filesystem: str) -> None:
    with NewFile(str(tmp_path / "file"), replace=False) as file:
        file.write(b"late")
        (tmp_path / "file").write_bytes(b"first")
        with pytest.raises(Failure) as caught:
            file.commit()
    assert caught.value.status == 4
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"first")]


def test_a_new_file_follows_a_link_and_keeps_it(tmp_path: Path, filesystem: str) -> None:
    (tmp_path / "real").write_bytes(b"before")
    (tmp_path / "link").symlink_to("real")
    with NewFile(str(tmp_path / "link"), replace=True) as file:
        file.write(b"after")
        file.commit()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"after"


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, filesystem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with NewFile(str(tmp_path / "file"), replace=False) as file:
        _refusing(monkeypatch, "write", errno.ENOSPC)
        with pytest.raises(Failure, match=r"cannot write .*file: No space left on device"):
            file.write(b"1")
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(BadUsage, match="not a regular file"):
        NewFile("/dev/null", replace=True)
