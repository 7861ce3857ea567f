"""The sides: what each does between a source in memory and the server, behind one function.

`prepare` does what costs before the first byte; what it returns is measured. All are as they are by default, except
that Swift's S3 API takes 1000 parts. What they do of digests differs, and is said in their names.
"""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.body import MIB
from bench.s3.source import Nowhere, Source
from bench.sides import IMAGE

Run = Callable[[], dict[str, str]]

OURS, PEER, BOTO, AWS = "imgstore", "glance_store", "boto3", "aws"
UP, DOWN, UNKNOWN = "upload", "download", "unknown"


@dataclass(frozen=True)
class Access:
    """The server, and the keys to a bucket on it. `aws` is the program of that name, `source` a file for it."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str
    ca_file: str | None
    aws: str | None
    source: str | None


@dataclass(frozen=True)
class Side:
    """Who does what. `extra` tells apart what one of them can do in several ways."""

    who: str
    action: str
    extra: str = ""

    @property
    def name(self) -> str:
        """How tables and options name the side."""
        return ":".join(filter(None, (self.action, self.who, self.extra)))


SIDES = {
    side.name: side
    for side in (
        Side(OURS, UP),
        Side(OURS, UP, "md5+sha512"),
        Side(PEER, UP, "md5+sha512"),
        Side(BOTO, UP),
        Side(AWS, UP),
        Side(OURS, DOWN),
        Side(OURS, DOWN, "ahead"),
        Side(PEER, DOWN),
        Side(BOTO, DOWN),
        Side(AWS, DOWN),
        Side(OURS, UNKNOWN),
    )
}


def prepare(side: Side, *, size: int, access: Access) -> Run:
    """What is measured of `side`."""
    runs: dict[tuple[str, str], Callable[[Side, int, Access], Run]] = {
        (OURS, UP): _our_session if side.extra else _our_driver,
        (OURS, UNKNOWN): _our_driver,
        (OURS, DOWN): _our_reader,
        (PEER, UP): _peer_add,
        (PEER, DOWN): _peer_get,
        (BOTO, UP): _boto_upload,
        (BOTO, DOWN): _boto_download,
        (AWS, UP): _aws_upload,
        (AWS, DOWN): _aws_download,
    }
    return runs[side.who, side.action](side, size, access)


def _driver(access: Access, **options: Any) -> Any:
    from imgstore.drivers.s3 import S3Driver

    driver = S3Driver(
        endpoint_url=access.endpoint, bucket=access.bucket, region=access.region, access_key=access.access_key,
        secret_key=access.secret_key, ca_bundle=access.ca_file, max_parts=1000, **options,
    )  # fmt: skip
    driver.check()
    return driver


def _our_driver(side: Side, size: int, access: Access) -> Run:
    driver, source = _driver(access), Source(size)

    def run() -> dict[str, str]:
        with driver.open_writer(IMAGE, size=size if side.action == UP else None) as writer:
            for chunk in source.chunks():
                writer.write(chunk)
            writer.commit()
        return {}

    return run


def _our_session(side: Side, size: int, access: Access) -> Run:
    from imgstore.catalog import MemoryCatalog
    from imgstore.model import UploadRequest
    from imgstore.store import Store, StoreSet
    from imgstore.upload import UploadService, UploadSettings

    catalog, source = MemoryCatalog(), Source(size)
    catalog.create(IMAGE)
    stores = StoreSet([Store("bench", _driver(access))], default="bench")
    uploads = UploadService(stores, catalog=catalog, settings=UploadSettings(hash_algo="sha512", checksum=True))

    def run() -> dict[str, str]:
        with uploads.begin(UploadRequest(IMAGE, size=size)) as session:
            for chunk in source.chunks():
                session.write(chunk)
            result = session.finish()
        return {"sha512": result.hash_value, "md5": result.checksum or ""}

    return run


def _our_reader(side: Side, size: int, access: Access) -> Run:
    driver = _driver(access, read_concurrency=4 if side.extra else 1)

    def run() -> dict[str, str]:
        with driver.open_reader(IMAGE) as reader:
            return _all_there(sum(map(len, reader)), size)

    return run


def _peer(access: Access) -> Any:
    """glance_store's S3 store, configured by oslo.config, as Glance has it."""
    from oslo_config import cfg

    # By name, since the peer lives in the benchmark's own environment only.
    s3 = importlib.import_module("glance_store._drivers.s3")
    logging.getLogger("glance_store").setLevel(logging.ERROR)
    conf = cfg.ConfigOpts()
    store = s3.Store(conf)
    conf([], project="bench", default_config_files=[], default_config_dirs=[])
    options = {
        "host": access.endpoint, "region_name": access.region, "access_key": access.access_key,
        "secret_key": access.secret_key, "bucket": access.bucket, "bucket_url_format": "path",
        "cacert": access.ca_file or "",
    }  # fmt: skip
    for name, value in options.items():
        conf.set_override(f"s3_store_{name}", value, group="glance_store")
    store.configure(re_raise_bsc=True)
    return store


def _peer_add(side: Side, size: int, access: Access) -> Run:
    store, source = _peer(access), Source(size)

    def run() -> dict[str, str]:
        _, written, md5, sha512, _ = store.add(IMAGE, source, size, "sha512")
        return {**_all_there(written, size), "md5": md5, "sha512": sha512}

    return run


def _peer_get(side: Side, size: int, access: Access) -> Run:
    store = _peer(access)
    location = importlib.import_module("glance_store.location")
    module = importlib.import_module("glance_store._drivers.s3")
    specs = {"scheme": "s3+https" if access.endpoint.startswith("https") else "s3", "bucket": access.bucket}
    specs |= {"key": IMAGE, "s3serviceurl": access.endpoint, "accesskey": access.access_key}
    specs |= {"secretkey": access.secret_key}
    found = location.Location(specs["scheme"], module.StoreLocation, store.conf, store_specs=specs)

    def run() -> dict[str, str]:
        body, _ = store.get(found)
        return _all_there(sum(map(len, body)), size)

    return run


def _boto(access: Access) -> Any:
    import boto3

    return boto3.client(
        "s3", endpoint_url=access.endpoint, region_name=access.region, aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key, verify=access.ca_file,
    )  # fmt: skip


def _boto_upload(side: Side, size: int, access: Access) -> Run:
    client, source = _boto(access), Source(size)

    def run() -> dict[str, str]:
        client.upload_fileobj(source, access.bucket, IMAGE)
        return {}

    return run


def _boto_download(side: Side, size: int, access: Access) -> Run:
    client, target = _boto(access), Nowhere()

    def run() -> dict[str, str]:
        client.download_fileobj(access.bucket, IMAGE, target)
        return _all_there(target.size, size)

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
        return _all_there(found, size)

    return run


def _all_there(found: int, size: int) -> dict[str, str]:
    if found != size:
        raise ValueError(f"{found} bytes of {size} came.")
    return {}
