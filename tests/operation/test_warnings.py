"""What is probably not meant is told at the start, once, with its cure; what is meant is not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from imgstore import config
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import Location, UploadResult
from imgstore.service.options import KEYSTONE, NOAUTH, OPTIONS
from imgstore.service.warnings import warn
from imgstore.sql import SqlCatalog
from imgstore.store import Store, StoreSet
from tests.support.attempts import begun

SECRET = "hunter2hunter2"


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return lines


def test_what_is_probably_not_meant_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = SqlCatalog(f"sqlite:///{tmp_path}/catalog.sqlite")
    good = StoreSet([Store("main", MemoryDriver())], default="main")
    for auth, listen in ((NOAUTH, "127.0.0.1"), (NOAUTH, "::1"), (NOAUTH, "localhost"), (KEYSTONE, "0.0.0.0")):
        warn(good, catalog, auth=auth, listen=listen)
    assert told(caplog) == []
    for listen in ("0.0.0.0", "::", "192.0.2.1", "images.example.org"):
        warn(good, catalog, auth=NOAUTH, listen=listen)
        (line,) = told(caplog)
        assert f"[service] auth is noauth and listen is {listen}" in line
    attempt = begun(catalog, "gone")
    catalog.activate(attempt, UploadResult(attempt.image_id, [Location("gone", attempt.key, "")], 4, "sha512", "ab"))
    warn(StoreSet([Store("main", MemoryDriver(), read_only=True)], default="main"), catalog, auth=NOAUTH, listen="::1")
    default, elsewhere = told(caplog)
    assert "[imgstore] default_store is main, which is read-only" in default
    assert "store gone, which is not enabled" in elsewhere
    catalog.close()


@pytest.mark.parametrize(("mode", "count"), [(0o644, 1), (0o640, 0)])
def test_secrets_that_everybody_may_read_are_told_once_without_their_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, count: int
) -> None:
    file = tmp_path / "imgstore.conf"
    file.write_text(f"[imgstore]\nenabled_stores = a:memory\n[service]\ndatabase = postgresql://u:{SECRET}@h/d\n")
    file.chmod(mode)
    for _ in range(2):
        config.load([str(file)], extra={"service": OPTIONS})
    lines = told(caplog)
    assert len(lines) == count
    assert all("[service] database" in line and SECRET not in line for line in lines)


def test_file_without_secrets_may_be_read_by_everybody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "imgstore.conf"
    file.write_text("[imgstore]\nenabled_stores = a:memory\n")
    config.load([str(file)])
    assert told(caplog) == []
