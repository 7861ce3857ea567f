"""What the headers of a PUT mean, and which of them are refused: one row, one line of the table."""

from __future__ import annotations

import base64
import hashlib

import pytest

from imgstore import errors
from imgstore.http.digest_fields import expected_digests
from imgstore.http.requests import UploadHeaders, read_upload
from tests.http.house import OCTETS, House

SIZE = "x-openstack-image-size"
DIGESTS = {name: hashlib.new(name, b"image").hexdigest() for name in ("md5", "sha256")}
MD5, SHA256 = (base64.b64encode(bytes.fromhex(DIGESTS[name])).decode() for name in ("md5", "sha256"))
SHA256 = f":{SHA256}:"
CHUNKED = {"transfer-encoding": "chunked"}


GOOD: list[tuple[dict[str, str], UploadHeaders]] = [
    *((headers, UploadHeaders(None, 0, 0)) for headers in (
        {}, {"content-length": "0"}, {"content-type": "Application/OCTET-stream"}, {"content-encoding": "identity"},
        {"content-type": "application/octet-stream; x=y"}, {"content-type": " application/octet-stream ;x=y"},
        {"content-encoding": "Identity"},
    )),
    *((headers, UploadHeaders(None, 10, 10)) for headers in (
        {"content-length": " 10\t"}, {"content-length": "010"}, {"content-length": "10", SIZE: "10"},
        {"content-length": "10", SIZE: "0010"},
    )),
    *((headers, UploadHeaders(None, None, None)) for headers in (CHUNKED, {"transfer-encoding": "Chunked"})),
    (CHUNKED | {SIZE: "10"}, UploadHeaders(None, 10, None)),
    (CHUNKED | {SIZE: "0"}, UploadHeaders(None, 0, None)),
    ({"x-image-meta-store": "slow"}, UploadHeaders("slow", 0, 0)),
]  # fmt: skip


def test_what_a_good_header_means() -> None:
    for headers, meaning in GOOD:
        assert read_upload(OCTETS | headers) == meaning, headers


BAD_MD5 = ("", "x", MD5[:-1], f"{MD5}, {MD5}", MD5[:-4] + "====", f":{MD5}:", "\u0661" * 16, "0" * 31)
BAD_DICTIONARIES = (
    "x", "sha-256", "sha-256=", "sha-256=abc", "sha-256=::", f"SHA-256={SHA256}", f"sha-256={SHA256},",
    f"sha-256={SHA256} md5=:{MD5}:", f"sha-512={SHA256}", "sha-256=:\u00e9:", f",sha-256={SHA256}", "sha-256=:=:",
    "other=1", "other=:!:", f"sha-256={SHA256};", f"sha-256={SHA256}, sha-256=:{'A' * 43}=:",
)  # fmt: skip
REFUSED: list[tuple[dict[str, str], type[errors.RequestError]]] = [
    *[
        ({"content-type": value}, errors.UnsupportedMediaType)
        for value in ("", "text/plain", "application/octet-stream2", "application/octet-stream, text/plain", ";", "*/*")
    ],
    *[({"content-encoding": value}, errors.UnsupportedMediaType) for value in ("gzip", "identity, gzip", "x")],
    *[
        (headers | {SIZE: value}, errors.InvalidRequest)
        for headers in (CHUNKED, {"content-length": "10"})
        for value in ("", "ten", "-1", "+10", "1_0", "1.0", "0x10", "1e1", "10, 10", "\u0661\u0660", "1 0", "9" * 19)
    ],
    *[
        ({"content-length": value}, errors.InvalidRequest)
        for value in ("", "ten", "-1", "+10", "1_0", "10, 10", "10,10", "\u0661", "9" * 5000)
    ],
    *[(CHUNKED | {"content-length": value}, errors.InvalidRequest) for value in ("0", "10")],
    *[
        ({"transfer-encoding": value}, errors.InvalidRequest)
        for value in ("", "gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked")
    ],
    ({"content-range": "bytes 0-9/10", "content-length": "10"}, errors.InvalidRequest),
    ({"x-image-meta-store": ""}, errors.InvalidRequest),
    ({"x-image-meta-store": " "}, errors.InvalidRequest),
    ({"x-image-meta-store": "nope"}, errors.UnknownStore),
    ({"x-image-meta-store": "FAST"}, errors.UnknownStore),
    ({"x-image-meta-store": "fast, slow"}, errors.UnknownStore),
    ({"x-image-meta-store": "fast\x00"}, errors.InvalidRequest),
    ({"content-length": "1\r\n0"}, errors.InvalidRequest),
    ({"content-type": "application/octet-stream;\x7f"}, errors.InvalidRequest),
    *[({"content-md5": value}, errors.InvalidRequest) for value in BAD_MD5],
    *[({name: f}, errors.InvalidRequest) for name in ("repr-digest", "content-digest") for f in BAD_DICTIONARIES],
    ({"content-md5": MD5, "repr-digest": f"md5=:{'A' * 22}==:"}, errors.InvalidRequest),
    ({SIZE: "9", "content-length": "10"}, errors.SizeMismatch),
    ({SIZE: "11", "content-length": "10"}, errors.SizeMismatch),
    ({SIZE: "10"}, errors.SizeMismatch),
    ({SIZE: "10", "content-length": "0"}, errors.SizeMismatch),
]


GOOD_DIGESTS: list[tuple[dict[str, str], list[str]]] = [
    ({}, []),
    *(({"content-md5": value}, ["md5"]) for value in (MD5, f" {MD5}", DIGESTS["md5"], DIGESTS["md5"].upper())),
    *(({name: f"sha-256={SHA256}"}, ["sha256"]) for name in ("repr-digest", "content-digest")),
    ({"repr-digest": f'sha-256={SHA256.replace("=", "")} , md5=:{MD5}:;a;b=?1; c="x,:\\""'}, ["sha256", "md5"]),
    ({"repr-digest": f"sha-256={SHA256}, sha-256={SHA256}", "content-md5": MD5}, ["sha256", "md5"]),
    *(({"repr-digest": value}, []) for value in ("", "sha3-9=:aGVsbG8=:", "crc32c=::;q=0.5", "*x.y-1=:AA==:")),
]


def test_digests_that_the_client_means() -> None:
    for headers, meant in GOOD_DIGESTS:
        assert expected_digests(headers) == {name: DIGESTS[name] for name in meant}, headers
    with pytest.raises(errors.InvalidRequest, match="repr-digest is malformed"):
        expected_digests({"repr-digest": f"sha-512={SHA256}"})


def test_bad_header_is_refused_and_leaves_no_trace(house: House, subtests: pytest.Subtests) -> None:
    image_id = house.image()
    for headers, error in REFUSED:
        with subtests.test(str(headers)[:60]), pytest.raises(errors.RequestError) as caught:
            house.data.begin_upload(image_id, OCTETS | headers)
        assert type(caught.value) is error, headers
        assert len(str(caught.value)) < 200
    with pytest.raises(errors.UnsupportedMediaType):
        read_upload({"content-length": "0"})
    house.assert_refused_without_trace(image_id)


def test_what_the_client_sent_is_echoed_short_and_escaped() -> None:
    with pytest.raises(errors.UnsupportedMediaType) as caught:
        read_upload({"content-type": "caf\u00e9" * 1000})
    assert "caf\\xe9" in str(caught.value)
    assert len(str(caught.value)) < 160
