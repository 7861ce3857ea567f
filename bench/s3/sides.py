"""The sides on S3: what the others do between a source in memory and the server, and how they and imgstore are set up.

What is prepared, before the first byte, is not measured; what comes of it is. All are as they are by default, except
that Swift's S3 API takes 1000 parts.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.body import MIB
from bench.network.peer import Peer
from bench.network.sides import BOTH, DOWN, ONE_BODY, UNKNOWN, UP, AnyAccess, Side, all_there, named, our_run
from bench.network.source import Nowhere, Source
from bench.sides import IMAGE, OURS, PEER, Run

__all__ = [
    "AWS", "BOTH", "BOTO", "DOWN", "ONE_BODY", "OURS", "PEER", "RUNS", "SIDES", "UNKNOWN", "UP", "Access", "Side",
    "client",
]  # fmt: skip

BOTO, AWS = "boto3", "aws"
COMPARED = ("md5", "sha512")

SIDES = named(
    Side(OURS, UP),
    Side(OURS, UP, BOTH),
    Side(PEER, UP, BOTH),
    Side(BOTO, UP),
    Side(AWS, UP),
    Side(OURS, DOWN),
    Side(OURS, DOWN, ONE_BODY),
    Side(PEER, DOWN),
    Side(BOTO, DOWN),
    Side(AWS, DOWN),
    Side(OURS, UNKNOWN),
)


@dataclass(frozen=True)
class Access(AnyAccess):
    """The server, and the keys to a bucket on it. `aws` is the program of that name, `source` a file for it; `keeps`:
    what is written can be read."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str
    ca_file: str | None
    aws: str | None
    source: str | None
    keeps: bool = True


def _ours(side: Side, size: int, access: Access) -> Run:
    from imgstore.drivers.s3 import S3Driver

    make = partial(
        S3Driver, endpoint_url=access.endpoint, bucket=access.bucket, region=access.region,
        access_key=access.access_key, secret_key=access.secret_key, ca_bundle=access.ca_file, max_parts=1000,
    )  # fmt: skip
    return our_run(side, size, make, compared=COMPARED, keeps=access.keeps)


def _peer(access: Access) -> Peer:
    options = {
        "host": access.endpoint, "region_name": access.region, "access_key": access.access_key,
        "secret_key": access.secret_key, "bucket": access.bucket, "bucket_url_format": "path",
        "cacert": access.ca_file or "",
    }  # fmt: skip
    return Peer("glance_store._drivers.s3", {f"s3_store_{name}": value for name, value in options.items()})


def _peer_add(side: Side, size: int, access: Access) -> Run:
    return _peer(access).add(size, declared=size, compared=COMPARED)


def _peer_get(side: Side, size: int, access: Access) -> Run:
    specs = {"scheme": "s3+https" if access.endpoint.startswith("https") else "s3", "bucket": access.bucket}
    specs |= {"key": IMAGE, "s3serviceurl": access.endpoint, "accesskey": access.access_key}
    specs |= {"secretkey": access.secret_key}
    return _peer(access).get(size, specs)


def client(access: Access) -> Any:
    """boto3's client of the server, as it is by default."""
    import boto3  # here, since the other sides do without

    return boto3.client(
        "s3", endpoint_url=access.endpoint, region_name=access.region, aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key, verify=access.ca_file,
    )  # fmt: skip


def _boto_upload(side: Side, size: int, access: Access) -> Run:
    boto, source = client(access), Source(size)

    def run() -> dict[str, str]:
        boto.upload_fileobj(source, access.bucket, IMAGE)
        return {}

    return run


def _boto_download(side: Side, size: int, access: Access) -> Run:
    boto, target = client(access), Nowhere()

    def run() -> dict[str, str]:
        boto.download_fileobj(access.bucket, IMAGE, target)
        return all_there(target.size, size)

    return run


def _aws(access: Access, *arguments: str) -> list[str]:
    options = ["--endpoint-url", access.endpoint, "--region", access.region, "--no-progress"]
    options += ["--ca-bundle", access.ca_file] if access.ca_file else []
    return [str(access.aws), "s3", "cp", *arguments, *options]


def _aws_environment(access: Access) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": access.access_key, "AWS_SECRET_ACCESS_KEY": access.secret_key}
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**os.environ, **keys, **nothing, "AWS_EC2_METADATA_DISABLED": "true"}


def _aws_upload(side: Side, size: int, access: Access) -> Run:
    command = _aws(access, "-", f"s3://{access.bucket}/{IMAGE}", "--expected-size", str(size))

    def run() -> dict[str, str]:
        with Path(str(access.source)).open("rb") as source:
            subprocess.run(command, stdin=source, env=_aws_environment(access), check=True)
        return {}

    return run


def _aws_download(side: Side, size: int, access: Access) -> Run:
    command = _aws(access, f"s3://{access.bucket}/{IMAGE}", "-")

    def run() -> dict[str, str]:
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=_aws_environment(access)) as process:
            pipe = process.stdout
            assert pipe is not None
            found = sum(len(data) for data in iter(lambda: pipe.read(MIB), b""))
        return all_there(found, size)

    return run


RUNS: Mapping[tuple[str, str], Callable[[Side, int, Access], Run]] = {
    (OURS, UP): _ours,
    (OURS, UNKNOWN): _ours,
    (OURS, DOWN): _ours,
    (PEER, UP): _peer_add,
    (PEER, DOWN): _peer_get,
    (BOTO, UP): _boto_upload,
    (BOTO, DOWN): _boto_download,
    (AWS, UP): _aws_upload,
    (AWS, DOWN): _aws_download,
}
