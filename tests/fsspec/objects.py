"""An object storage as fsspec has it, in memory: an object appears when its upload is ended, and never before.

It stands for those of Amazon, Google and Azure: files that buffer a block, upload it when it is full, and know `commit`
and `discard`.
"""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

BLOCK = 64 * 1024
_etags = itertools.count(1)


class Objects(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """`held`: objects by path, with an ETag. `uploads`: paths whose upload has begun and not ended."""

    protocol = "oss"
    held: ClassVar[dict[str, tuple[bytes, str]]] = {}
    uploads: ClassVar[list[str]] = []

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        if path not in self.held:
            raise FileNotFoundError(path)
        data, etag = self.held[path]
        return {"name": path, "size": len(data), "type": "file", "ETag": etag}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        found = [name for name in list(self.held) if name.startswith(f"{path}/")]
        return [self.info(name) for name in found] if detail else found

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        if path not in self.held:
            raise FileNotFoundError(path)
        return self.held[path][0][start:end]

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        self.held[path] = (value, f"etag-{next(_etags)}")

    def rm_file(self, path: str) -> None:
        self.held.pop(path)

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **_: Any) -> ObjectFile:
        return ObjectFile(self, path, mode, block_size=BLOCK, autocommit=autocommit)


class ObjectFile(AbstractBufferedFile):  # type: ignore[misc] # as above
    """Blocks on their way."""

    def _initiate_upload(self) -> None:
        self.blocks: list[bytes] = []
        self.fs.uploads.append(self.path)

    def _upload_chunk(self, final: bool = False) -> bool:
        self.blocks.append(self.buffer.getvalue())
        if final and self.autocommit:
            self.commit()
        return True

    def commit(self) -> None:
        self.fs.uploads.remove(self.path)
        self.fs.pipe_file(self.path, b"".join(self.blocks))

    def discard(self) -> None:
        if self.offset is not None:
            self.fs.uploads.remove(self.path)
