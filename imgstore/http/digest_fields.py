"""Digests in headers: those that an upload is to have, and that of the image which a download delivers.

An upload may name them in Content-MD5 (base64 by RFC 1864, or hex as the Image API writes it), in Repr-Digest and in
Content-Digest (RFC 9530; they mean the same here, since a body is never encoded nor a part). An algorithm that is not
known is passed over. A malformed value is refused, and so are two values for one algorithm: nothing is guessed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from imgstore import errors
from imgstore.http.requests import Headers, header, shown

CONTENT_MD5 = "content-md5"
DICTIONARIES = ("repr-digest", "content-digest")

_ALGORITHMS = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}
"""Names in RFC 9530, and in hashlib."""
_SENT = {"sha512": "sha-512", "sha256": "sha-256"}
"""Those that RFC 9530 does not call deprecated."""
_BYTES = {"sha512": 64, "sha256": 32, "sha1": 20, "md5": 16}

_HEX_MD5 = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_KEY = r"[a-z*][a-z0-9_.*-]*"
_ITEM = (
    r"(?::[A-Za-z0-9+/=]*:|\?[01]|-?[0-9]{1,15}(?:\.[0-9]{1,3})?"
    r"|\"(?:[ !#-\[\]-~]|\\[\\\"])*\"|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)"
)
_MEMBER = re.compile(rf"({_KEY})=:([A-Za-z0-9+/=]*):(?:; *{_KEY}(?:={_ITEM})?)*", re.ASCII)
_COMMA = re.compile(r" *, *")


def expected_digests(headers: Headers) -> dict[str, str]:
    """The digests that the client means, in hex, by algorithm of hashlib. Raises InvalidRequest."""
    found: dict[str, str] = {}
    for name, algorithm, digest in _all(headers):
        if found.setdefault(algorithm, digest.hex()) != digest.hex():
            raise errors.InvalidRequest(f"{name} contradicts another value for {algorithm} in the same request.")
    return found


def repr_digest(algorithm: str | None, digest: str | None) -> str | None:
    """Repr-Digest of an image with this digest in hex; None where RFC 9530 has no safe name for the algorithm."""
    sent = _SENT.get(algorithm or "")
    if sent is None or digest is None:
        return None
    try:
        return f"{sent}=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"
    except ValueError:  # another program wrote the catalog
        return None


def _all(headers: Headers) -> Iterator[tuple[str, str, bytes]]:
    """Header, algorithm and digest of each value that is known."""
    if (value := header(headers, CONTENT_MD5)) is not None:
        yield CONTENT_MD5, "md5", _content_md5(value)
    for name in DICTIONARIES:
        for key, encoded in _members(name, header(headers, name) or ""):
            if (algorithm := _ALGORITHMS.get(key)) is not None:
                yield name, algorithm, _digest(name, algorithm, encoded)


def _content_md5(value: str) -> bytes:
    if _HEX_MD5.fullmatch(value):
        return bytes.fromhex(value)
    return _digest(CONTENT_MD5, "md5", value)


def _digest(name: str, algorithm: str, encoded: str) -> bytes:
    """The bytes of a digest in base64."""
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):  # ValueError: characters that are not ASCII
        digest = b""
    if len(digest) != _BYTES[algorithm]:
        raise errors.InvalidRequest(f"{name} is malformed: {shown(encoded)} is no {algorithm} in base64.")
    return digest


def _members(name: str, value: str) -> Iterator[tuple[str, str]]:
    """Key and base64 of each member of a dictionary of byte sequences (RFC 9651)."""
    position = 0
    while position < len(value):
        member = _MEMBER.match(value, position)
        comma = None if member is None else _COMMA.match(value, member.end())
        if member is None or (member.end() < len(value) and comma is None):
            raise errors.InvalidRequest(f"{name} is malformed at {shown(value[position:])}: write sha-256=:BASE64:.")
        yield member[1], member[2] + "=" * (-len(member[2]) % 4)  # its padding may be left out
        position = member.end() if comma is None else comma.end()
        if comma is not None and position == len(value):
            raise errors.InvalidRequest(f"{name} is malformed: it ends with a comma.")
