"""A host and the command line give away an image in S3 for a while, by what the server itself signs and compares."""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from imgstore import DownloadService, Store, StoreSet, UploadRequest, UploadService, errors
from imgstore.catalog import MemoryCatalog
from tests.cli.support import run_here
from tests.s3.places import Place
from tests.s3.support import KEY


def fetch(url: str) -> tuple[int, bytes]:
    """As somebody without keys."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_an_image_is_given_away_pinned_and_told_nowhere(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    stores, catalog = StoreSet([Store("s3", place.driver())], default="s3"), MemoryCatalog()
    uploads, downloads = UploadService(stores, catalog=catalog), DownloadService(stores, source=catalog)
    catalog.create(KEY, owner="p")
    with uploads.begin(UploadRequest(KEY)) as session:
        session.write(b"data")
        session.finish()
    with caplog.at_level(logging.DEBUG):
        made = downloads.temporary_url(KEY, seconds=60, context="p")
    signature = made.url.rpartition("Signature=")[2]
    assert len(signature) > 20
    assert signature not in caplog.text + repr(made)
    assert fetch(made.url) == (200, b"data")
    with pytest.raises(errors.ImageNotFound):
        downloads.temporary_url(KEY, seconds=60, context="q")
    stores.resolve("s3").driver.delete(made.location.key)
    assert fetch(made.url)[0] == 404
    with pytest.raises(errors.DataGone):
        downloads.temporary_url(KEY, seconds=60, context="p")


def test_the_command_line_prints_one(place: Place, tmp_path: Path) -> None:
    place.put(place.driver(), b"data")
    wanted = ("endpoint_url", "bucket", "region", "access_key", "secret_key", "session_token", "prefix")
    lines = [f"{name} = {place.options[name]}" for name in wanted if place.options[name]]
    (tmp_path / "imgstore.conf").write_text("\n".join(["[imgstore]", "enabled_stores = a:s3", "[a]", *lines]))
    (tmp_path / "imgstore.conf").chmod(0o600)
    done = run_here(tmp_path, dict(os.environ), ["url", "--for", "1m", KEY])
    assert (done.status, done.err) == (0, "")
    assert fetch(done.out.decode().strip()) == (200, b"data")
    assert run_here(tmp_path, dict(os.environ), ["url", "nothing"]).status == 3
