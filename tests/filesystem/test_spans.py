"""A download hands out spans of its file to whoever can send them; what of one is not sent is read as ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.driver.reader import SPAN
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem.reader import FileReader
from imgstore.file_spans import FileSpan
from imgstore.model import Location, StoredImage
from imgstore.store import Store, StoreSet
from imgstore.transfers.download import Download, DownloadService

KEY = "image"
SIZE = SPAN + 1000
"""Bytes of two spans, the second short."""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The same object in two stores, a sparse one."""
    made = {name: tmp_path / name / KEY for name in ("first", "second")}
    for file in made.values():
        file.parent.mkdir()
        with file.open("wb") as out:
            out.truncate(SIZE)
            out.seek(SPAN - 10)
            out.write(bytes(range(1, 251)))
    return made


@pytest.fixture
def download(files: dict[str, Path]) -> Download:
    """From byte 5 on."""
    stores = [Store(name, FilesystemDriver(datadir=str(file.parent))) for name, file in files.items()]
    locations = [Location(store.identifier, KEY, store.driver.url(KEY)) for store in stores]
    service = DownloadService(StoreSet(stores, default="first"), source=MemoryCatalog(), sleep=lambda seconds: None)
    return service.open(StoredImage(KEY, "active", SIZE, locations=locations), start=5)


def send(chunk: bytes | FileSpan, most: int = SIZE) -> bytes:
    """What a server sends of it; of a span `most` bytes."""
    if isinstance(chunk, bytes):
        return chunk
    data = os.pread(chunk.fd, min(chunk.size, most), chunk.offset)
    chunk.sent = len(data)
    return data


def test_spans_are_the_bytes_of_the_range(download: Download, files: dict[str, Path]) -> None:
    with download:
        chunks = list(map(send, download.spans()))
    assert [len(chunk) for chunk in chunks] == [SPAN, SIZE - SPAN - 5]
    assert b"".join(chunks) == files["first"].read_bytes()[5:]


def test_the_rest_of_a_span_is_read(download: Download, files: dict[str, Path]) -> None:
    with download:
        found = [(type(chunk), send(chunk, 100)) for chunk in download.spans()]
    assert {kind for kind, _ in found[1:]} == {bytes}
    assert b"".join(data for _, data in found) == files["first"].read_bytes()[5:]


def test_a_file_that_ends_early_is_followed_at_the_same_byte(download: Download, files: dict[str, Path]) -> None:
    whole = files["second"].read_bytes()
    os.truncate(files["first"], SPAN - 3)
    with download:
        assert b"".join(map(send, download.spans())) == whole[5:]
        assert download.location.store == "second"


def test_never_short_where_no_store_has_the_rest(download: Download, files: dict[str, Path]) -> None:
    for file in files.values():
        os.truncate(file, SPAN - 3)
    with download, pytest.raises(errors.StoreUnavailable):
        list(map(send, download.spans()))


def test_a_reader_that_changes_what_it_reads_has_no_spans(files: dict[str, Path]) -> None:
    class Decrypting(FileReader):
        pass

    class Driver(FilesystemDriver):
        def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> FileReader:
            reader = super()._open_reader(key, start, stop, etag)
            reader.__class__ = Decrypting
            return reader

    with Driver(datadir=str(files["first"].parent)).open_reader(KEY) as reader:
        assert reader.span() is None
        assert reader.read(1) == b"\0"
