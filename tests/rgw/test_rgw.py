"""Ceph's gateway, where it is unlike Amazon and OpenStack, on a real one; and what the documents say of servers."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.driver import StoreDriver
from imgstore.driver.place import EPOCH_NAME, NOTES, new_mark
from imgstore.drivers.s3 import S3Driver
from imgstore.drivers.s3.integrity import Integrity
from imgstore.drivers.swift import SwiftDriver
from imgstore.model import MIB, Leftover
from imgstore.store import Store, StoreSet
from tests.cli.support import run_here
from tests.s3.conftest import SWIFT
from tests.s3.places import SMALL_PART, MotoPlace, RgwPlace, SwiftPlace
from tests.s3.places import Place as S3Place
from tests.support.fixtures import SwiftFactory
from tests.support.moto import MotoServer
from tests.support.rgw import RgwAccount, RgwServer, needs_rgw
from tests.support.service import LocalService
from tests.support.swift import SwiftSettings
from tests.support.waiting import until
from tests.swift.subject import CONTAINER, SEGMENTS, options_of

pytestmark = [needs_rgw, pytest.mark.long]
DOC = Path(__file__).parents[2] / "doc"
SEGMENT = 64 * 1024
SIZE = 3 * SEGMENT + 7
KEY, OTHER = "8f0a3a0e-6c1b-4f7e-9d43-0b6b6a1f7a10", "0b6b6a1f-6c1b-4f7e-9d43-8f0a3a0e7a10"


def body(size: int, seed: int = 0) -> bytes:
    return hashlib.shake_128(bytes([seed])).digest(size)


def put(driver: StoreDriver, data: bytes, key: str = KEY) -> None:
    with driver.open_writer(key) as writer:
        writer.write(data)
        writer.commit()


def get(driver: StoreDriver, key: str = KEY, **options: Any) -> bytes:
    with driver.open_reader(key, **options) as reader:
        return b"".join(iter(lambda: reader.read(SEGMENT), b""))


@pytest.fixture
def account(rgw: RgwServer) -> RgwAccount:
    return rgw.account()


@pytest.fixture
def swift(account: RgwAccount) -> Iterator[SwiftDriver]:
    with contextlib.closing(SwiftDriver(**options_of(account, segment_size=SEGMENT, max_attempts=2))) as driver:
        driver.expect_mark(driver.write_mark(new_mark()))
        yield driver


@pytest.fixture
def place(rgw: RgwServer) -> RgwPlace:
    return RgwPlace(rgw, tls=True)


def test_swift_a_large_image_is_read_listed_copied_kept_by_a_purge_and_deleted(
    swift: SwiftDriver, account: RgwAccount
) -> None:
    put(swift, body(SIZE))
    info = swift.stat(KEY)
    assert (get(swift), info.size) == (body(SIZE), SIZE)
    for _ in range(2):
        assert get(swift, start=SEGMENT - 5, stop=SEGMENT + 5, etag=info.etag) == body(SIZE)[SEGMENT - 5 : SEGMENT + 5]
    with pytest.raises(errors.ObjectChanged):
        get(swift, start=1, etag="0" * 32)
    assert [(each.key, each.size) for each in swift.objects()] == [(KEY, SIZE)]
    swift.copy(KEY, OTHER)
    assert list(swift.leftovers()) == []
    swift.delete(KEY)
    assert get(swift, OTHER) == body(SIZE)
    swift.delete(OTHER)
    assert account.everything() == set()


def test_nothing_is_replaced(swift: SwiftDriver, place: RgwPlace) -> None:
    s3 = place.driver()
    s3.check()  # which learns that its condition is ignored at the end of an upload in parts
    for driver in (swift, s3):
        for key, size in ((KEY, 100), (OTHER, SIZE)):
            put(driver, body(size), key)
            with pytest.raises(errors.ObjectExists):
                put(driver, body(size, 1), key)
            assert get(driver, key) == body(size)
        assert list(driver.leftovers()) == []


def test_swift_segments_of_a_manifest_that_nobody_can_read_stay_and_stop_no_purge(
    swift: SwiftDriver, account: RgwAccount
) -> None:
    put(swift, body(SIZE))
    segments = sorted(name for name in account.everything() if name.startswith(SEGMENTS))
    heads = {name: account.head(name).headers for name in segments}
    lines = [
        {"path": f"/{name}", "etag": head["etag"], "size_bytes": int(head["content-length"])}
        for name, head in heads.items()
    ]
    foreign = json.dumps(lines).encode()
    assert account.put(f"{CONTAINER}/{KEY}", foreign, query="multipart-manifest=put").status == 201
    assert list(swift.leftovers()) == []
    assert get(swift) == body(SIZE)


def test_a_check_makes_a_large_object_and_leaves_nothing(
    swift: SwiftDriver, account: RgwAccount, place: RgwPlace
) -> None:
    swift.check()
    assert account.everything() == set()
    place.driver().check()
    assert place.names() == set()


def test_s3_options_without_effect_are_named(place: RgwPlace) -> None:
    for options in ({"encryption": "AES256"}, {"storage_class": "NO_SUCH_CLASS"}, {"ca_bundle": None}):
        with pytest.raises(errors.ConfigurationError) as caught:
            place.driver(**options).check()
        assert caught.value.option == next(iter(options))


def broken(*arguments: object) -> None:
    raise errors.IntegrityError("other bytes")


def test_s3_versions_that_nobody_asked_for_are_removed(
    place: RgwPlace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = place.client()
    client.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    driver = place.driver()
    for _ in range(3):
        driver.check()
    writer = driver.open_writer(KEY)
    writer.write(body(10))
    with monkeypatch.context() as patch:
        patch.setattr(Integrity, "judge", broken)
        with writer, pytest.raises(errors.IntegrityError):
            writer.commit()
    for epoch in range(3):
        driver.write_epoch(epoch)
    kept = client.list_object_versions(Bucket=place.bucket)
    assert [each["Key"] for each in kept.get("Versions", [])] == [EPOCH_NAME]
    assert kept.get("DeleteMarkers", []) == []
    assert caplog.text.count("keeps versions") == 1


def table(document: str) -> dict[str, dict[str, str]]:
    """The table of facts: by server, then by fact."""
    lines = (DOC / document).read_text().split("| fact |", 1)[1].splitlines()
    told = itertools.takewhile(lambda line: line.startswith("|"), lines[1:])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in told]
    servers = [cell.strip() for cell in lines[0].strip("| ").split("|")]
    return {server: {row[0]: row[1 + number] for row in rows[1:]} for number, server in enumerate(servers)}


def found(driver: S3Driver | SwiftDriver) -> Mapping[str, str]:
    with contextlib.closing(driver):
        assert driver.facts() == {}
        driver.check()
        return dict(driver.facts())


def s3(place: S3Place) -> Mapping[str, str]:
    return found(place.driver())


def test_the_table_of_s3s_servers(rgw: RgwServer, swift_with: SwiftFactory) -> None:
    with MotoServer(smallest_part=SMALL_PART) as moto:
        assert table("s3.md") == {
            "Ceph 16.2": s3(RgwPlace(rgw)),
            "Swift 2.38": s3(SwiftPlace(swift_with(SWIFT))),
            "moto 5.2": s3(MotoPlace(moto)),
        }


def test_the_table_of_swifts_servers(rgw: RgwServer, swift_with: SwiftFactory) -> None:
    found_there = {}
    for name, account in (("Ceph 16.2", rgw.account()), ("Swift 2.38", swift_with(SwiftSettings()).account())):
        driver = SwiftDriver(**options_of(account))
        driver.write_mark("0" * 32)
        found_there[name] = found(driver)
    assert table("swift.md") == found_there


def test_the_command_prints_them(account: RgwAccount, tmp_path: Path) -> None:
    options = "".join(f"{name} = {value}\n" for name, value in options_of(account).items()).replace("$", "$$")
    config = tmp_path / "imgstore.conf"
    config.write_text(f"[imgstore]\nenabled_stores = main:swift\ndefault_store = main\n[main]\n{options}")
    config.chmod(0o600)  # it has a password
    arguments = ["--config-file", str(config), "check", "--create", "--facts", "-f", "json"]
    done = run_here(tmp_path, {}, arguments)
    assert {"store": "main", "fact": "manifests are shown", "found": "no"} in json.loads(done.out)


def test_s3_hidden_versions_are_found_and_removed_and_no_object(place: RgwPlace) -> None:
    client, driver = place.client(), place.driver()
    client.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in (KEY, OTHER):
        put(driver, body(100), key)
    client.put_object(Bucket=place.bucket, Key=KEY, Body=b"replaced")
    client.put_object(Bucket=place.bucket, Key="a stranger's", Body=b"1")
    client.put_object(Bucket=place.bucket, Key="a stranger's", Body=b"2")
    driver.delete(OTHER)
    found = list(driver.hidden_versions())
    assert [(each.key, each.size) for each in found] == [(OTHER, 100), (KEY, 100), (OTHER, None)]
    assert list(driver.hidden_versions(older_than=3600)) == []
    driver.remove_leftover(found[-1])
    assert list(driver.hidden_versions()) == found, "the mark still hides something"
    current = client.head_object(Bucket=place.bucket, Key=KEY)["VersionId"]
    driver.remove_leftover(Leftover(f"{KEY}?versionId={current}", "made up"))
    for leftover in found:
        driver.remove_leftover(leftover)
    assert list(driver.hidden_versions()) == []
    assert get(driver) == b"replaced"
    kept = client.list_object_versions(Bucket=place.bucket, Prefix="a stranger's")
    assert len(kept["Versions"]) == 2


@pytest.mark.long
def test_a_service_with_a_store_on_each_api_moves_mebibytes(
    place: RgwPlace, account: RgwAccount, tmp_path: Path
) -> None:
    data = body(40 * MIB)
    drivers: dict[str, SwiftDriver | S3Driver] = {"swift": SwiftDriver(**options_of(account)), "s3": place.driver()}
    stores = StoreSet([Store(name, driver) for name, driver in drivers.items()], default="swift")
    with LocalService(tmp_path, stores).running() as local:
        client = local.client
        images = {store: client.create() for store in ("swift", "s3")}
        for store, image in images.items():
            assert client.upload(image, iter([data]), store=store).status == 204
            assert client.download(image).body == data
        asked = {"method": {"name": "copy-image"}, "stores": ["s3"]}
        assert client.post(f"/v2/images/{images['swift']}/import", asked).status == 202
        until(lambda: client.show(images["swift"])["stores"] in ("swift,s3", "s3,swift"))
        local.service.keeper.recovery.recover(at_once=True)
        assert [leftover for driver in drivers.values() for leftover in driver.leftovers()] == []
        assert client.download(images["swift"]).body == data
        for image in images.values():
            assert client.delete(image).status == 204
    assert (account.everything(), place.names() - set(NOTES)) == (set(), set())
