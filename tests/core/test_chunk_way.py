"""The way of a chunk from `wsgi.input` to the storage, traced: few files, few calls, and each law asked once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import pytest

import imgstore
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.catalog import MemoryCatalog
from imgstore.driver import StoreDriver
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.s3 import S3Driver
from imgstore.http import ImageData
from imgstore.store import Store, StoreSet
from imgstore.transfers.download import DownloadService
from imgstore.transfers.upload import UploadService
from tests.core.world import IMAGE, MIB
from tests.support.sink import S3Sink

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PACKAGE = Path(imgstore.__file__).parent
CHUNKS, TRACED = 40, 36
BESIDE = {"transfers/digests.py", "catalog.py"}


class TracedInput:
    """A `wsgi.input` of CHUNKS chunks. What is called between two reads is counted once, in steady state."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.names: Counter[str] = Counter()
        self._reads = 0

    def read(self, size: int) -> bytes:
        sys.setprofile(None)
        self._reads += 1
        if self._reads == TRACED:
            sys.setprofile(self._count)
        return bytes(MIB) if self._reads <= CHUNKS else b""

    def _count(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            path = Path(frame.f_code.co_filename)
            self.names[frame.f_code.co_name] += 1
            self.files[path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else "others"] += 1


def traced(driver: StoreDriver, *, length: int | None) -> TracedInput:
    """An upload of CHUNKS chunks by WSGI, with `length` as its Content-Length (None: chunked)."""
    catalog = MemoryCatalog()
    catalog.create(IMAGE)
    stores = StoreSet([Store("fast", driver)], default="fast")
    data = ImageData(UploadService(stores, catalog=catalog), DownloadService(stores, source=catalog))
    body = TracedInput()
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": "PUT",
        "PATH_INFO": f"/v2/images/{IMAGE}/file",
        "CONTENT_TYPE": "application/octet-stream",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": body,
        "wsgi.input_terminated": True,
    }
    environ |= {"HTTP_TRANSFER_ENCODING": "chunked"} if length is None else {"CONTENT_LENGTH": str(length)}
    statuses: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], error: object = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return statuses.append  # type: ignore[return-value] # nobody writes

    list(ImageDataApp(data, context=lambda _: None)(environ, start_response))
    assert statuses == ["204 No Content"]
    return body


def assert_is_short(way: TracedInput) -> None:
    """At most 5 of our files for the bytes, 7 with digests and catalog, 40 Python calls, one question each."""
    ours = set(way.files) - {"others"}
    assert {"transfers/session.py", "driver/writer.py"} <= ours
    assert len(ours - BESIDE) <= 5, sorted(ours)
    assert len(ours) <= 7, sorted(ours)
    assert way.files.total() <= 40, way.files
    assert [way.names["admit"], way.names["confirm"]] == [1, 1], "each law is asked once a chunk"


@pytest.mark.parametrize("length", [CHUNKS * MIB, None], ids=["known", "chunked"])
@pytest.mark.parametrize("direct", ["on", "off"])
def test_a_chunk_passes_few_files_to_a_datadir(tmp_path: Path, direct: str, length: int | None) -> None:
    assert_is_short(traced(FilesystemDriver(datadir=str(tmp_path), direct_io=direct), length=length))


@pytest.mark.parametrize("length", [CHUNKS * MIB, None], ids=["known", "chunked"])
def test_chunk_passes_few_files_to_the_buffer_of_an_s3_part(length: int | None) -> None:
    with S3Sink() as sink:
        driver = S3Driver(bucket="images", endpoint_url=sink.url, access_key="key", secret_key="secret")
        try:
            assert_is_short(traced(driver, length=length))
        finally:
            driver.close()
