"""The way from Glance's own drivers and back, without moving a byte; and what a killed Glance leaves."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.glance.house import PART, House, Objects, filesystem_backends, object_backends
from tests.support.client import OCTETS
from tests.support.glance import GlanceServer
from tests.support.waiting import until

pytestmark = pytest.mark.long

SHORT = bytes(range(256))
LARGE = SHORT * (2 * PART // 256) + b"and a bit"
STORES = ("fast", "cold", "vault")
BOTH = ("fast", "cold")
"""What glance_store can use without Keystone."""


@pytest.fixture
def ours(tmp_path: Path, objects: Objects) -> dict[str, dict[str, object]]:
    """A directory, a bucket and an account as stores of imgstore; Swift's by a file of accounts."""
    (tmp_path / "accounts.conf").write_text(
        f"[ref1]\nuser = {objects.account.login}\nkey = {objects.account.key}\nauth_version = 1\n"
        f"auth_address = {objects.proxies['vault'].url}/auth/v1.0\n"
    )
    found = {**filesystem_backends(tmp_path), **object_backends(tmp_path, objects)}
    chosen = {name: section for name, section in found.items() if name.partition(":")[0] in STORES}
    vault = chosen["vault:imgstore_swift"]
    for name in ("auth_url", "username", "password"):
        del vault[name]
    vault |= {"account_file": tmp_path / "accounts.conf", "reference": "ref1"}
    return chosen


@pytest.fixture
def theirs(tmp_path: Path, objects: Objects) -> dict[str, dict[str, object]]:
    """The directory and the bucket as stores of glance_store, whose driver for Swift needs a Keystone."""
    megabytes = PART // 1024**2
    return {
        "fast:file": {"filesystem_store_datadir": tmp_path / "fast"},
        "cold:s3": {
            "s3_store_host": objects.proxies["cold"].url, "s3_store_bucket": objects.bucket.name,
            "s3_store_access_key": objects.bucket.access_key, "s3_store_secret_key": objects.bucket.secret_key,
            "s3_store_region_name": objects.bucket.region, "s3_store_bucket_url_format": "path",
            "s3_store_large_object_size": megabytes, "s3_store_large_object_chunk_size": megabytes,
        },
    }  # fmt: skip


def new_images(house: House) -> dict[str, bytes]:
    """A short and a long image in each store that either can have."""
    return {house.stored(body, store=store): body for store in BOTH for body in (SHORT, LARGE)}


def expect(house: House, images: dict[str, bytes]) -> None:
    """Each of them comes back, a range too."""
    for image, body in images.items():
        assert house.client.download(image).body == body
    for image, body in images.items():
        if "fast" in house.client.show(image)["stores"]:
            assert house.client.download(image, Range="bytes=5-9").body == body[5:10]


def remove(house: House, images: dict[str, bytes]) -> None:
    for image in images:
        assert house.client.delete(image).status == 204


def test_images_are_read_and_deleted_by_the_drivers_of_either(
    tmp_path: Path, database: Path, objects: Objects, ours: dict[str, dict[str, object]],
    theirs: dict[str, dict[str, object]],
) -> None:  # fmt: skip
    with GlanceServer(tmp_path, database, ours) as glance:
        house = House(glance)
        before = {store: objects.everything(store) for store in ("cold", "vault")}
        kept, handed_over = new_images(house), new_images(house)
    with GlanceServer(tmp_path, database, theirs) as glance:
        house = House(glance)
        expect(house, {**kept, **handed_over})
        remove(house, handed_over)
        taken_over = new_images(house)
    with GlanceServer(tmp_path, database, ours) as glance:
        house = House(glance)
        expect(house, {**kept, **taken_over})
        remove(house, {**kept, **taken_over})
        assert {store: objects.everything(store) for store in ("cold", "vault")} == before
        assert house.files("fast") == set()


def changed(objects: Objects, store: str, before: object) -> bool:
    return objects.everything(store) != before


def test_a_killed_upload_leaves_nothing_after_a_purge(
    tmp_path: Path, database: Path, objects: Objects, ours: dict[str, dict[str, object]]
) -> None:
    glance = GlanceServer(tmp_path, database, ours)
    with glance, contextlib.ExitStack() as open_uploads:
        house = House(glance)
        before = {store: objects.everything(store) for store in ("cold", "vault")}
        head = {**OCTETS, "Content-Length": str(2 * len(LARGE))}
        for store in STORES:
            path = f"/v2/images/{house.client.create()}/file"
            connection = house.client.connect("PUT", path, {**head, "X-Image-Meta-Store": store})
            open_uploads.enter_context(connection)
            connection.sendall(LARGE)
            if store in before:
                until(partial(changed, objects, store, before[store]))
        glance.kill()
    configuration = str(tmp_path / "glance-api.conf")
    command = [sys.executable, "-m", "imgstore.cli.main", "purge", "--config-file", configuration]

    def nothing_is_left() -> bool:
        done = subprocess.run([*command, "--older-than", "0s"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = {store: objects.everything(store) for store in before}
        return found == before and House(glance).files("fast") == set()

    until(nothing_is_left)
