"""The place of a store on a filesystem: what its options say of it, and the notes that are kept there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from imgstore import errors
from imgstore.driver import EPOCH_NAME, MARK_NAME, epoch_in, mark_in, text_of, text_of_epoch
from imgstore.driver.place import LONGEST
from imgstore.drivers.fsspec import naming
from imgstore.drivers.fsspec.filesystems import Filesystems
from imgstore.model import Place

KIND = "fsspec"
_SERVERS = ("host", "port", "base_url", "endpoint_url", "account_name", "project")
"""Names by which storage options tell which server is meant. None is a secret, but a URL may hold a password."""


def place_of(protocol: str, url: str, root: str, arguments: Mapping[str, Any]) -> Place:
    """The directory, on the server that the arguments of fsspec's class name."""
    server = tuple(f"{name}={_server(arguments[name])}" for name in _SERVERS if name in arguments)
    path = tuple(part for part in root.split("/") if part)
    return Place(KIND, (protocol, *server), path, f"{url} ({', '.join(server)})" if server else url)


def _server(value: object) -> str:
    parts = urlsplit(str(value))
    return str(value) if not parts.netloc else f"{parts.netloc.rpartition('@')[2].lower()}{parts.path.rstrip('/')}"


class Notes:
    """The mark and the epoch, each a small file beside the objects."""

    def __init__(self, filesystems: Filesystems, protocol: str, root: str) -> None:
        self._filesystems = filesystems
        self._protocol = protocol
        self._root = root

    def read_mark(self) -> str | None:
        """The mark; None where there is none."""
        return mark_in(self._filesystems.call("reading the mark", lambda fs: self._text(fs, MARK_NAME)))

    def write_mark(self, mark: str, *, replace: bool) -> str:
        """Leaves `mark` there unless it has one; `replace`: instead of any. Returns what is there then."""
        found = self._filesystems.call("marking the place", lambda fs: self._marked(fs, mark, replace))
        if found is None:
            raise errors.WrongPlace(f"What has the name {MARK_NAME} in the directory is not a mark.")
        return found

    def read_epoch(self) -> int:
        """The epoch; 0 for none."""
        return epoch_in(self._filesystems.call("reading the epoch", lambda fs: self._text(fs, EPOCH_NAME)))

    def write_epoch(self, epoch: int) -> None:
        """Notes it in place of another."""
        self._filesystems.call("noting the epoch", lambda fs: self._replace(fs, EPOCH_NAME, text_of_epoch(epoch)))

    def _marked(self, filesystem: Any, mark: str, replace: bool) -> str | None:
        if not replace:
            filesystem.makedirs(self._root, exist_ok=True)
        if replace or not naming.is_there(filesystem, f"{self._root}/{MARK_NAME}"):
            self._replace(filesystem, MARK_NAME, text_of(mark))
        return mark_in(self._text(filesystem, MARK_NAME))

    def _text(self, filesystem: Any, name: str) -> bytes:
        try:
            filesystem.invalidate_cache()
            return bytes(filesystem.cat_file(f"{self._root}/{name}"))[:LONGEST]
        except FileNotFoundError:
            return b""

    def _replace(self, filesystem: Any, name: str, text: bytes) -> None:
        """All or nothing where `mv` replaces a file in one step; object storage writes an object so by itself."""
        path = f"{self._root}/{name}"
        if self._protocol in naming.FLAT:
            filesystem.pipe_file(path, text)
            return
        hidden = f"{self._root}/{naming.hidden_name('note')}"
        with filesystem.open(hidden, "wb") as file:
            file.write(text)
        filesystem.mv(hidden, path)
