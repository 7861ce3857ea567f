"""moto's server, an imitation of Amazon's S3, for tests: one process on a free port of 127.0.0.1.

It is installed in an environment of its own (the Makefile builds it in `.venv/moto`; IMGSTORE_MOTO names another).
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.child import Child
from tests.support.client import Answer, send
from tests.support.running import Running

MEMORY = 2 * 1024**3
SMALLEST_PART = 5 * 1024**2
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(frozen=True)
class MotoBucket:
    """A bucket, and a bare client of it. Any key and secret are good, since moto checks none."""

    endpoint: str
    name: str
    access_key: str = "moto-access-key"
    secret_key: str = field(default="moto-secret-key", repr=False)
    region: str = "us-east-1"

    def everything(self) -> set[str]:
        """The keys of all objects, and `<key>?uploadId=<upload>` for each multipart upload that is open."""
        uploads = {f"{key}?uploadId={upload}" for key, upload in self.uploads()}
        return {key for (key,) in self._list("list-type=2", "Contents", "Key")} | uploads

    def uploads(self) -> list[tuple[str, str]]:
        """Key and identifier of each multipart upload that is open."""
        return [(key, upload) for key, upload in self._list("uploads=", "Upload", "Key", "UploadId")]

    def request(self, method: str, path: str = "", *, body: bytes | None = None) -> Answer:
        """One request without a signature; `path` after the bucket, quoted, with a query if need be."""
        return send(method, f"{self.endpoint}/{self.name}{path}", body=body)

    def _list(self, query: str, entry: str, *names: str) -> Iterator[tuple[str, ...]]:
        answer = self.request("GET", f"?{query}")
        assert answer.status == 200, answer
        root = ET.fromstring(answer.body)
        assert root.findtext(f"{NAMESPACE}IsTruncated") == "false", "more than a page: this client reads only one"
        for element in root.iter(f"{NAMESPACE}{entry}"):
            yield tuple(element.findtext(f"{NAMESPACE}{name}") or "" for name in names)


class MotoServer(Running):
    """One moto; use it as a context manager. `memory`: bytes of address space, since a request that it does not
    understand can make it grow without end. `smallest_part`: bytes of every part but the last of an upload in parts."""

    def __init__(self, *, memory: int = MEMORY, smallest_part: int = SMALLEST_PART) -> None:
        self.memory = memory
        self._smallest_part = smallest_part
        self.url = ""
        self._numbers = itertools.count(1)
        self._stack = contextlib.ExitStack()

    def bucket(self) -> MotoBucket:
        """A new bucket."""
        bucket = MotoBucket(self.url, f"bucket-{next(self._numbers)}")
        answer = bucket.request("PUT")
        assert answer.status == 200, answer
        return bucket

    def start(self) -> None:
        root = Path(tempfile.mkdtemp(prefix="imgstore-moto-"))
        self._stack.callback(shutil.rmtree, root)
        # Few arenas: each takes its address space, used or not. Larger objects are files below TMPDIR.
        variables = {
            "MALLOC_ARENA_MAX": "2",
            "TMPDIR": str(root),
            "S3_UPLOAD_PART_MIN_SIZE": str(self._smallest_part),
        }
        script = Path(__file__).with_name("launch.py")
        arguments = (script, str(self.memory), str(root))
        self.child = self._stack.enter_context(Child(*arguments, name="moto", root=root, variables=variables))
        self.url = f"http://127.0.0.1:{self.child.port}"

    def stop(self) -> None:
        self._stack.close()
