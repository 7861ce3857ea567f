"""The sinks answer as the real servers do, keep what they say, and nothing else."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import re
import socket
import threading
import urllib.parse
from collections.abc import Iterator, Mapping

import pytest

from tests.support.client import Answer, first_line, read_answer, send
from tests.support.moto import MotoServer
from tests.support.sink import S3Sink, SwiftSink, generated
from tests.support.swift import SwiftAccount, SwiftServer
from tests.support.waiting import until

DATA = bytes(range(256)) * 8192
MD5 = hashlib.md5(DATA).hexdigest()
CREDENTIAL = {"Authorization": "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request"}


def ask(url: str, method: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request to a server that checks no signature."""
    return send(method, url, body=body, headers={**CREDENTIAL, **(headers or {})})


@pytest.fixture
def sink() -> Iterator[S3Sink]:
    with S3Sink() as running:
        yield running


@pytest.fixture(params=["moto", "sink"])
def bucket(request: pytest.FixtureRequest, sink: S3Sink) -> str:
    """The URL of a bucket, of an imitation that is well known and of the sink."""
    if request.param == "sink":
        return f"{sink.url}/bucket"
    moto: MotoServer = request.getfixturevalue("moto")
    made = moto.bucket()
    return f"{made.endpoint}/{made.name}"


def begin(bucket: str) -> str:
    """The URL of a new multipart upload of `key`."""
    match = re.search(rb"<UploadId>(.*?)</UploadId>", ask(f"{bucket}/key?uploads=", "POST").body)
    assert match is not None
    return f"{bucket}/key?uploadId={match[1].decode()}"


def complete(upload: str, *etags: str) -> Answer:
    """CompleteMultipartUpload of parts 1, 2, ..."""
    parts = "".join(
        f"<Part><ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>" for number, etag in enumerate(etags, 1)
    )
    xml = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{parts}</CompleteMultipartUpload>'
    return ask(upload, "POST", body=xml.encode())


def test_s3_object_is_put_read_headed_and_deleted(bucket: str) -> None:
    assert ask(f"{bucket}/key", "PUT", body=DATA).headers["etag"] == f'"{MD5}"'
    head = ask(f"{bucket}/key", "HEAD")
    assert (head.status, head.headers["content-length"], head.headers["etag"]) == (200, str(len(DATA)), f'"{MD5}"')
    part = ask(f"{bucket}/key", "GET", headers={"Range": "bytes=5-9"})
    assert (part.status, len(part.body)) == (206, 5)
    assert part.headers["content-range"] == f"bytes 5-9/{len(DATA)}"
    assert ask(f"{bucket}/key", "GET", headers={"Range": f"bytes={len(DATA)}-"}).status == 416
    assert ask(f"{bucket}/key", "GET", headers={"If-Match": '"other"'}).status == 412
    assert ask(f"{bucket}/key", "PUT", body=b"", headers={"If-None-Match": "*"}).status == 412
    assert b"<Key>key</Key>" in ask(f"{bucket}?list-type=2", "GET").body
    assert ask(f"{bucket}/key", "DELETE").status == 204
    missing = ask(f"{bucket}/key", "GET")
    assert (missing.status, b"<Code>NoSuchKey</Code>" in missing.body) == (404, True)


def test_s3_multipart_upload_ends_in_one_object_or_in_nothing(bucket: str) -> None:
    upload, large = begin(bucket), DATA * 3
    etags = [ask(f"{upload}&partNumber={number}", "PUT", body=large).headers["etag"] for number in (1, 2)]
    assert etags == [f'"{hashlib.md5(large).hexdigest()}"'] * 2
    assert upload.partition("uploadId=")[2].encode() in ask(f"{bucket}?uploads=", "GET").body
    assert complete(upload, etags[0], '"other"').status == 400
    assert complete(upload, *etags).status == 200
    digest = hashlib.md5(hashlib.md5(large).digest() * 2).hexdigest()
    head = ask(f"{bucket}/key", "HEAD").headers
    assert (head["content-length"], head["etag"]) == (str(2 * len(large)), f'"{digest}-2"')
    aborted = begin(bucket)
    assert ask(aborted, "DELETE").status == 204
    assert b"<UploadId>" not in ask(f"{bucket}?uploads=", "GET").body


def test_s3_sink_keeps_sizes_and_counts(sink: S3Sink) -> None:
    upload = begin(f"{sink.url}/bucket")
    sink.delays["UploadPart"] = 0.05
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        numbers = range(1, 7)
        answers = list(
            pool.map(lambda number: ask(f"{upload}&partNumber={number}", "PUT", body=b"x" * number), numbers)
        )
    assert complete(upload, *(answer.headers["etag"] for answer in answers)).status == 200
    assert sink.objects["bucket/key"].parts == (1, 2, 3, 4, 5, 6)
    assert sink.objects["bucket/key"].size == 21
    assert sink.uploads == {}
    assert sink.counts == {"CreateMultipartUpload": 1, "UploadPart": 6, "CompleteMultipartUpload": 1}
    assert 1 <= sink.peaks["UploadPart"] <= 3


def test_s3_sink_takes_no_part_of_an_upload_that_was_aborted(sink: S3Sink) -> None:
    upload = begin(f"{sink.url}/bucket")
    assert ask(upload, "DELETE").status == 204
    assert ask(f"{upload}&partNumber=1", "PUT", body=b"late").status == 404
    assert ask(upload, "DELETE").status == complete(upload, '"any"').status == 404
    assert (sink.uploads, sink.objects) == ({}, {})


def test_s3_sink_decodes_what_amazon_chunks_and_refuses_a_wrong_digest(sink: S3Sink) -> None:
    body = b"5;chunk-signature=0\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"
    answer = ask(f"{sink.url}/bucket/key", "PUT", body=body, headers={"Content-Encoding": "aws-chunked"})
    assert answer.headers["etag"] == f'"{hashlib.md5(b"hello world").hexdigest()}"'
    answer = ask(f"{sink.url}/bucket/bad", "PUT", body=DATA, headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert (answer.status, b"<Code>BadDigest</Code>" in answer.body) == (400, True)
    assert list(sink.objects) == ["bucket/key"]


def test_sink_asks_for_the_body_that_waits_to_be_asked_for(sink: S3Sink) -> None:
    address = urllib.parse.urlsplit(sink.url)
    assert address.port is not None
    with socket.create_connection(("127.0.0.1", address.port), timeout=30) as connection:
        connection.sendall(
            b"PUT /bucket/key HTTP/1.1\r\nHost: any\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
        assert first_line(connection) == b"HTTP/1.1 100"
        connection.sendall(b"some")
        assert read_answer(connection).status == 200


def test_generated_content_is_the_same_in_any_range(sink: S3Sink) -> None:
    size = 3_000_001
    sink.add("bucket/key", size)
    whole = ask(f"{sink.url}/bucket/key", "GET").body
    assert whole == generated(0, size)
    for ranges in ("0-9", "1048570-1048580", "-7", "3000000-", "2999999-9000000"):
        first, last = ranges.split("-")
        start = int(first) if first else size - int(last)
        answer = ask(f"{sink.url}/bucket/key", "GET", headers={"Range": f"bytes={ranges}"})
        assert (answer.status, answer.body) == (206, whole[start : int(last) + 1 if first and last else size])


@pytest.fixture(params=["swift", "sink"])
def account(request: pytest.FixtureRequest) -> Iterator[SwiftAccount]:
    """An account with a container `c`, of the real one and of the sink."""
    if request.param == "swift":
        swift: SwiftServer = request.getfixturevalue("swift")
        account = swift.account()
        account.container("c")
        yield account
        return
    with SwiftSink() as sink:
        account = SwiftAccount(name="any", user="any", key="any", auth_url=sink.auth_url)
        account.container("c")
        yield account


def test_swift_object_is_put_read_headed_and_deleted(account: SwiftAccount) -> None:
    assert account.put("c/key", DATA, headers={"ETag": MD5}).status == 201
    assert account.put("c/bad", DATA, headers={"ETag": "0" * 32}).status == 422
    assert account.put("c/key", b"", headers={"If-None-Match": "*"}).status == 412
    assert account.put("none/key", b"").status == 404
    head = account.head("c/key")
    assert (head.status, head.headers["content-length"], head.headers["etag"]) == (200, str(len(DATA)), MD5)
    part = account.get("c/key", headers={"Range": "bytes=5-9"})
    assert (part.status, len(part.body), part.headers["content-range"]) == (206, 5, f"bytes 5-9/{len(DATA)}")
    assert account.get("c/key", headers={"If-Match": "other"}).status == 412
    assert account.objects("c") == {"key": len(DATA)}
    assert account.delete("c/key").status == 204
    assert account.delete("c/key").status == account.get("c/key").status == account.head("c/key").status == 404


def test_swift_static_large_object_is_of_the_segments_that_are_there(account: SwiftAccount) -> None:
    for name in ("1", "2"):
        account.put(f"c/segments/{name}", DATA)
    right = [{"path": f"/c/segments/{name}", "etag": MD5, "size_bytes": len(DATA)} for name in ("1", "2")]
    for wrong in ({"etag": "0" * 32}, {"size_bytes": 1}, {"path": "/c/segments/3"}):
        body = json.dumps([right[0], {**right[1], **wrong}]).encode()
        assert account.put("c/key", body, query="multipart-manifest=put").status == 400
    made = account.put("c/key", json.dumps(right).encode(), query="multipart-manifest=put")
    etag = f'"{hashlib.md5((MD5 * 2).encode()).hexdigest()}"'
    assert (made.status, made.headers["etag"]) == (201, etag)
    head = account.head("c/key").headers
    assert (head["content-length"], head["etag"]) == (str(2 * len(DATA)), etag)
    assert head["x-static-large-object"] == "True"
    manifest = json.loads(account.get("c/key", query="multipart-manifest=get").body)
    assert [(entry["name"], entry["bytes"], entry["hash"]) for entry in manifest] == [
        (entry["path"], len(DATA), MD5) for entry in right
    ]
    gone = account.delete("c/key", query="multipart-manifest=delete")
    assert gone.status == 200
    assert account.everything() == set()


def test_swift_token_that_was_not_given_is_401(account: SwiftAccount) -> None:
    assert account.put("c/key", b"", headers={"X-Auth-Token": "made-up"}).status == 401


def test_swift_sink_holds_the_limits_that_it_tells() -> None:
    with SwiftSink(max_file_size=10, max_manifest_segments=1) as sink:
        account = SwiftAccount(name="any", user="any", key="any", auth_url=sink.auth_url)
        container = account.container()
        info = json.loads(account.request("GET", "", url=f"{sink.url}/info").body)
        assert (info["swift"]["max_file_size"], info["slo"]["max_manifest_segments"]) == (10, 1)
        assert account.put(f"{container}/large", bytes(11)).status == 413
        assert account.put(f"{container}/segment", bytes(10)).status == 201
        body = json.dumps([{"path": f"/{container}/segment"}] * 2).encode()
        assert account.put(f"{container}/key", body, query="multipart-manifest=put").status == 413
        assert set(sink.objects) == {f"{container}/segment"}


def test_sink_ends_with_its_connections() -> None:
    before = threading.active_count()
    with SwiftSink() as sink:
        sink.delays["Auth"] = 60
        account = SwiftAccount(name="any", user="any", key="any", auth_url=sink.auth_url)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asking = pool.submit(account.new_token)
            until(lambda: sink.counts["Auth"])
            sink.stop()
            assert isinstance(asking.exception(30), ConnectionError)
    assert threading.active_count() == before
