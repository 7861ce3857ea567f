"""Single mishaps that have a name of their own: a lost answer, a short write, a datadir that goes away."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.drivers.filesystem import FilesystemDriver, write_back
from tests.filesystem.scenarios import CONTENT, EXPECTED, KEY, SCENARIOS
from tests.filesystem.support import get, names, put


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT])
def test_a_file_whose_close_fails_is_not_committed(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Some network filesystems say only at close that the bytes did not fit."""
    writer = driver.open_writer(KEY)
    writer.write(CONTENT)
    written = datadir.stat().st_dev, os.stat(f"/proc/self/fd/{writer._staged.fd}").st_ino  # type: ignore[attr-defined] # the descriptor is private
    real = os.close

    def close(fd: int) -> None:
        status = os.fstat(fd)
        real(fd)
        if (status.st_dev, status.st_ino) == written:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "close", close)
    with pytest.raises(EXPECTED[number]):
        writer.commit()
    monkeypatch.undo()
    assert names(datadir) == []
    put(driver, KEY, CONTENT)


def test_a_link_whose_answer_got_lost_is_recognised(
    driver: FilesystemDriver, datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network filesystem repeats the request by itself and then says that the name is taken: by this very file."""
    real = os.link

    def link_twice(*args: object, **kwargs: object) -> None:
        for _ in range(2):
            real(*args, **kwargs)  # type: ignore[arg-type] # handed through as it came

    monkeypatch.setattr(os, "link", link_twice)
    put(driver, KEY, CONTENT)
    assert get(driver, KEY) == CONTENT
    assert names(datadir) == [KEY]


def test_what_is_committed_and_then_refused_is_taken_back(driver: FilesystemDriver, datadir: Path) -> None:
    """An interruption between the driver's commit and its caller's: the name is known by its inode."""
    writer = driver.open_writer(KEY)
    writer.write(CONTENT)
    commit = writer._commit

    def interrupted() -> None:
        commit()
        raise KeyboardInterrupt

    writer._commit = interrupted  # type: ignore[method-assign, assignment] # the moment cannot be reached otherwise
    with pytest.raises(KeyboardInterrupt):
        writer.commit()
    assert names(datadir) == []


@pytest.mark.parametrize(("taken", "error"), [(0, errors.StoreUnavailable), (None, errors.IntegrityError)])
def test_a_file_that_is_shorter_than_what_was_written_is_never_visible(
    driver: FilesystemDriver,
    datadir: Path,
    monkeypatch: pytest.MonkeyPatch,
    taken: int | None,
    error: type[errors.StoreError],
) -> None:
    """No write takes a byte, or each says that it took all."""
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: len(data) if taken is None else taken)
    monkeypatch.setattr(os, "link", lambda *args, **kwargs: pytest.fail("linked"))
    with pytest.raises(error):
        put(driver, KEY, CONTENT)
    assert names(datadir) == []


def test_short_writes_are_carried_on(driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, memoryview(data)[:7], offset))
    put(driver, KEY, CONTENT)
    assert get(driver, KEY) == CONTENT


LIMITED = """
import resource, sys
from imgstore import errors
from tests.filesystem.support import BOTH, Direct, names
from pathlib import Path

limit = (1 << 20) + 4096  # in the middle of one of Direct's buffers
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
for kind in (*BOTH, Direct):
    for thin in (False, True):
        driver = kind(datadir=sys.argv[1], thin_provisioning=thin)
        for chunk in (b"x" * 300_000, bytes(300_000)):
            try:
                with driver.open_writer("image") as writer:
                    for _ in range(4):
                        writer.write(chunk)
                    writer.commit()
            except errors.StoreFull as error:
                print(error)
            else:
                raise SystemExit("not refused")
        assert names(Path(sys.argv[1])) == []
"""


def test_the_largest_file_of_a_process_is_store_full(datadir: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(datadir)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 12
    assert all("EFBIG" in line for line in lines)


def test_a_vanished_datadir_is_a_store_that_is_not_available(driver: FilesystemDriver, datadir: Path) -> None:
    writer = driver.open_writer(KEY)
    writer.write(CONTENT)
    shutil.rmtree(datadir)
    with pytest.raises(errors.StoreUnavailable):
        writer.commit()
    for name in SCENARIOS.keys() - {"check"}:
        with pytest.raises(errors.StoreUnavailable) as caught:
            SCENARIOS[name](driver)
        assert str(datadir) not in str(caught.value), name


def test_a_datadir_that_vanishes_under_a_lookup_is_no_missing_object(driver: FilesystemDriver, datadir: Path) -> None:
    with driver._open() as directory:
        datadir.rmdir()
        for look in (directory.regular, directory.open_regular):
            with pytest.raises(errors.StoreUnavailable):
                look(KEY)


def test_a_datadir_that_was_replaced_gets_no_object(driver: FilesystemDriver, datadir: Path) -> None:
    writer = driver.open_writer(KEY)
    writer.write(CONTENT)
    moved = datadir.rename(datadir.with_name("moved"))
    datadir.mkdir()
    with pytest.raises(errors.StoreUnavailable):
        writer.commit()
    assert names(datadir) == []
    assert names(moved) == []


def test_a_file_that_shrinks_while_it_is_read_is_truncated(driver: FilesystemDriver, datadir: Path) -> None:
    put(driver, KEY, CONTENT)
    with driver.open_reader(KEY) as reader:
        reader.read(10)
        os.truncate(datadir / KEY, 100)
        with pytest.raises(errors.ObjectTruncated):
            list(reader)


@pytest.mark.parametrize("ask", [write_back.by_fadvise, write_back.start_writing], ids=["fadvise", "best"])
def test_write_back_says_what_the_kernel_answers(ask: write_back.Start) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        ask(-1, 0, 4096)
