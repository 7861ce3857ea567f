"""Inspection: a tap that refuses content which is not what `disk_format` says, or which is not safe to use.

It looks with the inspectors of `inspectors` (the extra `inspection`). Refused with ContentRefused (415), as early as it
is certain: content of another format, content that refers to data outside of itself (backing and data files, foreign
extents, parents), content of two formats at once, and no content at all. `raw` is never refused. In a container other
than `bare`, and without `require_match`, the content is looked at as what it is, and refused only if that is recognised
and not safe. The findings are `content_format` and, where it is known, `virtual_size` (bytes).

Memory: two pieces of PIECE bytes and what an inspector captures (headers and descriptors, at most about 1 MiB),
whatever the image's size. The verdict depends on the bytes alone, never on how they were cut into chunks.

No inspector is trusted: whatever one raises on hostile bytes means "not that format".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from imgstore import errors
from imgstore.distribution import needs
from imgstore.model import Attempt
from imgstore.transfers.taps import Tap

with needs("inspection"):
    from oslo_utils.imageutils import format_inspector

    from imgstore.transfers.inspectors import inspector_of

PIECE = 64 * 1024  # every format's signature lies within the first piece
LARGEST_DISK = 2**63 - 1

_RECOGNIZED = ("qcow2", "qed", "vhd", "vhdx", "vmdk", "vdi", "luks", "iso", "gpt")
_START_IS_FREE = frozenset({"iso", "gpt", "vdi", "vhd"})  # what tells them is further on: others can hide before it
_BOOTABLE = frozenset({"iso", "gpt"})  # may be both at once: an ISO that boots from a USB stick has a partition table
_TO_THE_END = frozenset({"gpt", "luks", "vhd"})  # the virtual size is the length, or a footer has the last word


class FormatInspection:
    """A TapFactory: inspects every upload by the image's disk and container format. `require_match`: content of another
    format is refused; otherwise only what is not safe is, as the format that it is."""

    def __init__(self, *, require_match: bool = True) -> None:
        self._require_match = require_match

    def __call__(self, attempt: Attempt, *, size: int | None) -> Tap | None:
        """See TapFactory. Raises ContentRefused before the first byte where an image is declared empty."""
        bare = attempt.container_format == "bare"
        if attempt.disk_format == "raw":
            return _Measure() if bare else None
        if bare and size == 0:
            raise _empty(attempt.disk_format)
        inspector = inspector_of(attempt.disk_format)
        if inspector is None:
            return _NotEmpty(attempt.disk_format) if bare else None
        content = _Content(attempt.disk_format, inspector)
        return _Inspection(content, bare=bare, strict=bare and self._require_match)


class _Measure:
    """Raw content: any bytes will do, and the virtual size is their number."""

    def __init__(self) -> None:
        self._total = 0

    def write(self, chunk: bytes | memoryview) -> None:
        self._total += len(chunk)

    def finish(self) -> Mapping[str, str | int]:
        return {"virtual_size": self._total, "content_format": "raw"}

    def close(self) -> None:
        return None


class _NotEmpty:
    """Content of a format without an inspector: only an empty body is refused."""

    def __init__(self, disk_format: str) -> None:
        self._disk_format = disk_format
        self._empty = True

    def write(self, chunk: bytes | memoryview) -> None:
        self._empty = False

    def finish(self) -> Mapping[str, str | int]:
        if self._empty:
            raise _empty(self._disk_format)
        return {}

    def close(self) -> None:
        return None


class _Inspection:
    """Content that an inspector can read. `bare`: there must be some; `strict`: it must be of its format; otherwise it
    is only looked at."""

    def __init__(self, content: _Content, *, bare: bool, strict: bool) -> None:
        self._content = content
        self._bare = bare
        self._strict = strict
        self._looking = True
        self._rest = bytearray()
        self._head = b""

    def write(self, chunk: bytes | memoryview) -> None:
        if self._looking:
            for piece in self._pieces(memoryview(chunk)):
                self._look(piece)

    def finish(self) -> Mapping[str, str | int]:
        if self._rest:
            self._look(bytes(self._rest))
        if self._bare and not self._head:
            raise _empty(self._content.name)
        with self._mismatch_told():
            return self._content.finish(self._head)
        return {"content_format": "+".join(_recognized(self._head)) or "unrecognized"}

    def close(self) -> None:
        self._rest.clear()
        self._looking = False

    def _pieces(self, view: memoryview) -> Iterator[bytes]:
        if self._rest:
            missing = PIECE - len(self._rest)
            self._rest += view[:missing]
            view = view[missing:]
            if len(self._rest) < PIECE:
                return
            yield bytes(self._rest)
            self._rest.clear()
        whole = len(view) - len(view) % PIECE
        for start in range(0, whole, PIECE):
            if not self._looking:
                return
            yield bytes(view[start : start + PIECE])
        self._rest += view[whole:]

    def _look(self, piece: bytes) -> None:
        first = not self._head
        self._head = self._head or piece
        if self._looking:
            with self._mismatch_told():
                self._looking = self._content.look(piece, self._head)
        if first and self._content.mismatched and (other := _other_content(piece)):
            self._content = other
            with self._mismatch_told():
                self._looking = other.look(piece, piece)

    @contextlib.contextmanager
    def _mismatch_told(self) -> Iterator[None]:
        try:
            yield
        except _Mismatch:
            self._looking = False
            if self._strict:
                raise _not_the_format(self._content.name, self._head) from None


class _Mismatch(Exception):
    """The content is not of the format that was asked for."""


class _Content:
    """One stream taken as the format `name`. Raises _Mismatch, and ContentRefused where it is that, but not safe."""

    def __init__(self, name: str, inspector: format_inspector.FileInspector) -> None:
        self.name = name
        self._inspector = inspector
        self._safe = False
        self._broken = False

    @property
    def mismatched(self) -> bool:
        """Whether it is certain that the content is not of this format."""
        return self._broken

    def match(self, piece: bytes) -> None:
        """Takes the first piece of what must begin like this format."""
        with self._garbage_is_mismatch():
            self._inspector.eat_chunk(piece)
            self._require(self._inspector.format_match)

    def look(self, piece: bytes, head: bytes) -> bool:
        """Takes the next piece; False where there is nothing more to learn."""
        with self._garbage_is_mismatch():
            self._inspector.eat_chunk(piece)
            matches = self._inspector.format_match
            self._require(matches or self._may_be_fixed(piece, head))
            if matches and self._inspector.complete:
                self._check_safety(head)
        return not self._safe or self.name in _TO_THE_END

    def _may_be_fixed(self, piece: bytes, head: bytes) -> bool:
        """Whether the end may still tell that this is a VHD whose start is the disk itself."""
        return self.name == "vhd" and (piece is not head or not _others(self.name, head))

    def finish(self, head: bytes) -> Mapping[str, str | int]:
        """The findings, after the last piece."""
        with self._garbage_is_mismatch():
            self._inspector.finish()
            self._require(not self._broken and self._inspector.complete and self._inspector.format_match)
            self._safe = self._safe and self.name not in _TO_THE_END
            self._check_safety(head)
            virtual_size = self._inspector.virtual_size
        if virtual_size > LARGEST_DISK:
            raise _not_safe(self.name, "Virtual size is larger than any disk")
        known = {"virtual_size": virtual_size} if virtual_size > 0 else {}
        return {"content_format": self.name, **known}

    def _check_safety(self, head: bytes) -> None:
        if self._safe:
            return
        reason = self._unsafe() or _disguised(self.name, head)
        if reason:
            raise _not_safe(self.name, reason)
        self._safe = True

    def _unsafe(self) -> str:
        try:
            self._inspector.safety_check()
        except format_inspector.SafetyCheckFailed as failed:
            return ", ".join(str(reason) for reason in failed.failures.values())
        return ""

    def _require(self, condition: bool) -> None:
        if not condition:
            raise _Mismatch

    @contextlib.contextmanager
    def _garbage_is_mismatch(self) -> Iterator[None]:
        try:
            yield
        except (errors.ContentRefused, _Mismatch):
            self._broken = True
            raise
        except Exception as error:
            self._broken = True
            raise _Mismatch from error


def _disguised(name: str, head: bytes) -> str:
    """What else the content is, where a reader that guesses would take it for something else; "" if nothing."""
    if name not in _START_IS_FREE:
        return ""
    others = _others(name, head)
    return f"Content is {' and '.join(others)} too" if others else ""


def _others(name: str, head: bytes) -> list[str]:
    """The formats, besides `name`, that content with this beginning would be opened as."""
    return [other for other in _recognized(head) if other != name and other not in _BOOTABLE]


def _other_content(head: bytes) -> _Content | None:
    """What the content is instead of what it was said to be."""
    inspector = next((inspector_of(name) for name in _others("", head)), None)
    return None if inspector is None else _Content(inspector.NAME, inspector)


def _recognized(head: bytes) -> list[str]:
    return [name for name in _RECOGNIZED if _looks_like(name, head)]


def _looks_like(name: str, head: bytes) -> bool:
    inspector = inspector_of(name)
    if inspector is None:
        return False
    content = _Content(name, inspector)
    with contextlib.suppress(_Mismatch, errors.ContentRefused):
        content.match(head)
        return True
    return False


def _empty(disk_format: str) -> errors.ContentRefused:
    return errors.ContentRefused(f"The image is empty; its disk_format {disk_format} needs content.")


def _not_safe(disk_format: str, reason: str) -> errors.ContentRefused:
    return errors.ContentRefused(f"The image is not safe as disk_format {disk_format}: {reason}.")


def _not_the_format(disk_format: str, head: bytes) -> errors.ContentRefused:
    found = [name for name in _recognized(head) if name != disk_format]
    looks = f"; it looks like {' and '.join(found)}" if found else ""
    return errors.ContentRefused(f"The content is not of the image's disk_format {disk_format}{looks}.")
