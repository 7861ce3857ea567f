"""Every byte is accounted for (law 10): what the server says it received is compared with what was sent.

With the bytes goes a checksum. That the server returns it means little, since some store a wrong one and repeat it; so
it counts only where a check (`check`) has seen a wrong one refused. Everywhere else the ETag is compared, which is
the md5 of the bytes - where it is: with KMS encryption it is not, and no server has to make it one. So an ETag that
differs condemns the bytes only if this server has been seen to answer with an md5. Otherwise the bytes are unconfirmed,
and whoever stored them reads them back (`read_back`).

What it costs for each GiB here, in CPU seconds: crc32 0.3, md5 1.8; `auto` uses crc32 where it counts. What this module
refuses to do: take silence for consent.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from imgstore import errors
from imgstore.drivers.s3.server_traits import CHECKSUM, CONTENT_MD5, Extra, Traits

Answer: TypeAlias = "Mapping[str, Any]"

_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MD5_OF_PARTS = re.compile(r"([0-9a-f]{32})-([0-9]+)", re.ASCII)


def md5(data: bytes | memoryview) -> bytes:
    """The md5 of `data`, which is a checksum here and protects no secret."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def _crc32(data: memoryview) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


def _crc32c(data: memoryview) -> bytes:
    from awscrt import checksums  # there only where an operator has chosen it

    number: int = checksums.crc32c(data)
    return number.to_bytes(4, "big")


def _crc64nvme(data: memoryview) -> bytes:
    from awscrt import checksums  # as above

    number: int = checksums.crc64nvme(data)
    return number.to_bytes(8, "big")


ALGORITHMS: Mapping[str, Callable[[memoryview], bytes]] = {
    "crc32": _crc32,
    "crc32c": _crc32c,
    "crc64nvme": _crc64nvme,
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


def etag_of(answer: Answer) -> str | None:
    """The ETag in an answer without its quotes; None for none."""
    return str(answer.get("ETag") or "").strip('"') or None


@dataclass(frozen=True, slots=True)
class Sum:
    """A checksum of some bytes. `name` as in ALGORITHMS, or md5."""

    name: str
    value: bytes

    @property
    def parameter(self) -> str:
        """What boto3 calls it in requests and answers."""
        return f"Checksum{self.name.upper()}"

    @property
    def text(self) -> str:
        """As S3 writes it."""
        return base64.b64encode(self.value).decode()

    @property
    def extra(self) -> Extra:
        """The request's parameter."""
        if self.name == "md5":
            return Extra(CONTENT_MD5, {"ContentMD5": self.text})
        return Extra(CHECKSUM, {self.parameter: self.text})


@dataclass(slots=True)
class Piece:
    """Bytes that are sent in one request, from offset `start` on, and what is known of them when it was answered.
    `parameters`: what the completion of a multipart upload must repeat."""

    start: int
    size: int
    sent: Sum
    confirmed: bool = False
    md5: bytes | None = None
    etag: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)


class Integrity:
    """What one store sends along, by its option `checksum`, and how it judges the answers."""

    def __init__(self, choice: str, traits: Traits) -> None:
        self._choice = choice
        self._traits = traits

    @property
    def candidate(self) -> str | None:
        """The checksum that a check should prove; None where the ETag is what counts anyway."""
        if self._choice == "md5" or CHECKSUM in self._traits.refused:
            return None
        return "crc32" if self._choice == "auto" else self._choice

    def algorithm(self) -> str:
        """The checksum to begin an upload with."""
        candidate = self.candidate or "md5"
        return candidate if self._choice != "auto" or candidate in self._traits.proven else "md5"

    def piece(self, data: memoryview, start: int, algorithm: str) -> Piece:
        """The checksum of bytes that are about to be sent."""
        value = md5(data) if algorithm == "md5" else ALGORITHMS[algorithm](data)
        return Piece(start, len(data), Sum(algorithm, value), md5=value if algorithm == "md5" else None)

    def judge(self, piece: Piece, data: memoryview, answer: Answer) -> Piece:
        """`piece` with what the answer to it says. Raises IntegrityError where the server holds other bytes."""
        piece.etag = etag_of(answer)
        returned = answer.get(piece.sent.parameter) if piece.sent.name != "md5" else None
        if returned and returned != piece.sent.text:
            raise _other_bytes("the checksum that it returned is another one")
        if returned:
            piece.parameters = {piece.sent.parameter: returned}
            piece.confirmed = piece.sent.name in self._traits.proven
        if not piece.confirmed:
            piece.md5 = piece.md5 or md5(data)
            piece.confirmed = self._is_md5(piece.etag, piece.md5, answer)
        if not piece.confirmed and piece.size:
            self._traits.warn_once(
                "unconfirmed", "The S3 server confirms no checksum of what it stores: every object is read back"
            )
        return piece

    def judge_whole(self, pieces: Sequence[Piece], answer: Answer) -> None:
        """Compares the ETag of an object that was put together, where it is the md5 of its parts' md5s.

        Raises IntegrityError where the server put together something else."""
        match = _MD5_OF_PARTS.fullmatch(etag_of(answer) or "")
        by_md5 = all(piece.md5 is not None and piece.md5.hex() == piece.etag for piece in pieces)
        if match is None or not by_md5 or _encrypted(answer):
            return
        expected = md5(b"".join(piece.md5 or b"" for piece in pieces)).hex()
        if match[1] != expected or int(match[2]) != len(pieces):
            raise _other_bytes("the parts are not those that were sent")

    def learn_etag(self, piece: Piece) -> None:
        """What a comparison of the very bytes, which were found to be right, shows of the server's ETags."""
        if piece.md5 is not None and piece.etag is not None:
            self._traits.md5_etags = piece.etag == piece.md5.hex()

    def learn_proof(self, algorithm: str) -> None:
        """The server returns this checksum and has refused a wrong one."""
        self._traits.proven |= {algorithm}

    def _is_md5(self, etag: str | None, expected: bytes, answer: Answer) -> bool:
        if etag is None or _MD5.fullmatch(etag) is None or _encrypted(answer):
            return False
        if etag == expected.hex():
            self._traits.md5_etags = True
            return True
        if self._traits.md5_etags:
            raise _other_bytes("the ETag is not the md5 of what was sent")
        return False


def _encrypted(answer: Answer) -> bool:
    """Whether the ETag is of bytes that were encrypted with a key of their own."""
    return str(answer.get("ServerSideEncryption") or "").startswith("aws:kms")


def _other_bytes(detail: str) -> errors.IntegrityError:
    return errors.IntegrityError("The storage holds something else than what was sent.", detail=detail)
