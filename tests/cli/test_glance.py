"""`purge`, `verify` and `scrub` where Glance's database is the catalog: it is read, never written."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.filesystem.staging import hidden_name
from imgstore.glance.catalog import GlanceCatalog
from imgstore.glance.places import PlaceFiles, settle
from imgstore.glance.purge import GlancePurge
from imgstore.sql import Database, GlanceTables, glance_address
from imgstore.store import Store, StoreSet
from tests.cli.support import Shop, time_for_one_object
from tests.cli.test_purge_service import put
from tests.support.client import new_id
from tests.support.glance.rows import GlanceRows

DATA = b"data"
OLD = 7200.0
STORES = {"fast": "imgstore_file", "slow": "imgstore_file", "ceph": "rbd"}


class Glance(GlanceRows):
    """Glance's database and configuration beside the stores of a shop, whose places are noted."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.root, STORES)
        self._shop = shop
        self.places = PlaceFiles(str(shop.root / "places"))
        self.stores = [Store(name, FilesystemDriver(datadir=str(shop.datadir(name)))) for name in ("fast", "slow")]
        for store in self.stores:
            settle(store, self.places)

    def url(self, key: str, store: str = "fast") -> str:
        """Of an object in one of the stores."""
        return f"file://{self._shop.datadir(store)}/{key}"

    def stored(self, store: str = "fast", *, data: bytes = DATA, **columns: Any) -> str:
        """An image with its object."""
        digest = {"os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(DATA).hexdigest()}
        values: dict[str, Any] = {"size": len(DATA), **digest, **columns}
        image = self.image(**values)
        self.location(image, self.url(image, store), store=store)
        put(self._shop, image, store, age=OLD).write_bytes(data)
        return image

    def run(self, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
        """The rows that a command prints. Whatever it does, the database stays as it is."""
        before = self.file.read_bytes()
        command, *rest = arguments
        done = self._shop.run(command, "--config-file", str(self.conf), *rest, "-f", "json")
        assert done.status == status, done.err
        assert self.file.read_bytes() == before
        found: list[dict[str, Any]] = json.loads(done.out or b"[]")
        return found


@pytest.fixture
def glance(shop: Shop) -> Glance:
    return Glance(shop)


def names(rows: Sequence[dict[str, Any]]) -> set[tuple[str, str, bool]]:
    return {(row["store"], row["name"], row["removed"]) for row in rows}


def test_objects_that_no_image_has_go_and_what_may_be_an_images_stays(shop: Shop, glance: Glance) -> None:
    kept, deleted, refused, copied = glance.stored(), glance.image("deleted"), glance.image("queued"), glance.stored()
    gone = {("fast", refused, True), ("fast", f"{refused}-0123456789abcdef", True), ("fast", deleted, True)}
    gone |= {("slow", copied, True)}
    uploading, importing, young, newer, moved, lost, renamed, old, named, pending, taken, bare = (
        glance.image(status, age=age)
        for status, age in (
            ("saving", OLD), ("active", 0), ("queued", 0), ("queued", 2 * OLD), ("active", 0), ("active", 0),
            ("active", 0), ("active", 0), ("deleted", 0), ("pending_delete", 0), ("active", 0), ("active", 0),
        )
    )  # fmt: skip
    glance.property(importing, "os_glance_importing_to_stores", "slow")
    for image, store in ((moved, "fast"), (lost, None), (renamed, "gone")):
        glance.location(image, f"file:///elsewhere/{image}", store=store)
    glance.location(old, glance.url(old), store=None)
    glance.location(kept, glance.url(named), store="fast")
    for image in (pending, taken):
        glance.location(image, glance.url(image), store="fast", status="pending_delete")
    stay = [kept, uploading, importing, newer, moved, lost, renamed, old, named, pending, taken, bare]
    stay += [new_id(), "stranger", f"{refused}.2"]
    for store, key in [*[(store, key) for store, key, _ in gone], *[("fast", key) for key in stay]]:
        put(shop, key, store, age=OLD)
    put(shop, young)
    assert names(glance.run("purge", "--dry-run")) == {(store, name, False) for store, name, _ in gone}
    assert names(glance.run("purge")) == gone
    assert shop.names() == sorted([*stay, young, copied])
    assert shop.names("slow") == []


@pytest.mark.parametrize("identifier", [new_id(), new_id().upper()], ids=["lower", "upper"])
def test_leftovers_of_an_upload_that_may_be_alive_need_a_day_or_the_operators_word(
    shop: Shop, glance: Glance, identifier: str
) -> None:
    """A user of Glance may choose an image's identifier, in capitals too."""
    uploading, active = glance.image("saving", id=identifier), glance.stored()
    traces = [put(shop, hidden_name(image), age=OLD).name for image in (uploading, active)]
    assert names(glance.run("purge")) == {("fast", traces[1], True)}
    assert names(glance.run("purge", "--older-than", "1h")) == {("fast", traces[0], True)}


def test_a_place_that_is_not_noted_loses_no_object_and_another_place_is_unavailable(shop: Shop, glance: Glance) -> None:
    refused, alive = glance.image("queued"), glance.stored()
    put(shop, refused, age=OLD)
    note = shop.root / "places" / "fast.place"
    note.rename(note.with_suffix(".kept"))
    (row,) = glance.run("purge")
    assert (row["name"], row["removed"], "not noted" in row["reason"]) == (refused, False, True)
    note.with_suffix(".kept").rename(note)
    shop.datadir("fast").rename(shop.root / "unmounted")
    shop.datadir("fast").mkdir()
    put(shop, refused, age=OLD)
    for command in ("purge", "verify"):
        assert glance.run(command, "fast" if command == "purge" else "fast:", status=5) == []
    (row,) = glance.run("scrub", "fast", status=1)
    assert (row["image"], row["result"]) == (alive, "unreadable")
    assert shop.names() == [refused]


def test_what_became_an_images_meanwhile_is_not_removed(shop: Shop, glance: Glance) -> None:
    image, other = glance.image("queued"), glance.image("queued")
    for key in (image, other):
        put(shop, key, age=OLD)
    with contextlib.closing(Database(glance_address(f"sqlite:///{glance.file}"), read_only=True)) as database:
        stores = StoreSet(glance.stores, default="fast")
        catalog = GlanceCatalog(GlanceTables(database), stores, backends=STORES)
        found = list(GlancePurge(catalog, older_than=None).objects(stores.resolve("fast")))
        glance.location(other, glance.url(image), store="fast")
        put(shop, other)
        for each in found:
            each.remove()
    assert (len(found), shop.names()) == (2, sorted([image, other]))


def test_every_difference_is_told(shop: Shop, glance: Glance) -> None:
    glance.stored()
    missing, short, rotten, moved = (glance.stored() for _ in range(4))
    legacy = glance.stored(data=b"DATA", os_hash_algo=None, os_hash_value=None, checksum=hashlib.md5(DATA).hexdigest())
    (shop.datadir("fast") / missing).unlink()
    put(shop, short).write_bytes(b"dat")
    put(shop, rotten).write_bytes(b"rats")
    put(shop, stranger := new_id())
    glance.location(moved, f"s3://user:hunter2@elsewhere/bucket/{moved}", store="fast")
    glance.location(moved, "rbd://cluster/pool/image/snap", store="ceph")
    glance.location(moved, "file:///gone/x", store="gone")
    without = glance.image("active")
    rows = glance.run("verify", "--digests", status=1)
    assert {(row["problem"], row["image"] or row["key"] or row["store"]) for row in rows} == {
        ("missing", missing), ("size", short), ("digest", rotten), ("digest", legacy), ("elsewhere", moved),
        ("no data", without), ("no store", "gone"), ("unknown object", stranger),
    }  # fmt: skip
    assert [row["detail"] for row in rows if row["key"] == stranger] == ["no image has it"]
    assert "hunter2" not in json.dumps(rows)


def test_what_is_as_it_should_be_is_told(shop: Shop, glance: Glance) -> None:
    glance.stored()
    done = shop.run("verify", "--config-file", str(glance.conf), "--digests")
    assert (done.status, done.out) == (0, b"Catalog and stores agree.\n")


def test_a_scrub_tells_bit_rot_and_goes_on_where_it_ended(
    shop: Shop, glance: Glance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = glance.stored(data=b"rats"), glance.stored(data=b"rats")
    for store in ("fast", "slow"):
        glance.location(glance.stored(store), "rbd://cluster/pool/image/snap", store="ceph")
    with time_for_one_object(monkeypatch):
        assert [(row["image"], row["result"]) for row in glance.run("scrub", "fast", status=1)] == [(first, "wrong")]
    assert [row["image"] for row in glance.run("scrub", status=1)] == [second]
    assert [row["image"] for row in glance.run("scrub", "fast", status=1)] == [first, second]
    assert sorted(path.name for path in (shop.root / "places").glob("*.scrub*")) == ["fast.scrub", "slow.scrub"]


def test_locations_that_cannot_be_read_and_a_database_that_is_not_there_are_refused(shop: Shop, glance: Glance) -> None:
    text = glance.conf.read_text()
    glance.conf.write_text(text.replace("[DEFAULT]", "[DEFAULT]\nmetadata_encryption_key = hunter2"))
    done = shop.run("purge", "--config-file", str(glance.conf))
    assert (done.status, "[DEFAULT] metadata_encryption_key" in done.err, "hunter2" in done.err) == (2, True, False)
    glance.conf.write_text(text)
    glance.file.unlink()
    assert shop.run("verify", "--config-file", str(glance.conf)).status == 1
    assert not glance.file.exists()


def test_glances_own_urls_of_databases_are_understood() -> None:
    for scheme in ("mysql", "mysql+pymysql", "mysql+mysqldb", "mariadb+pymysql"):
        assert glance_address(f"{scheme}://glance:hunter2@db/glance?charset=utf8").url.drivername == "mysql+pymysql"
    assert glance_address("postgresql+psycopg2://glance:hunter2@db/glance").url.drivername == "postgresql+psycopg"
    with pytest.raises(ValueError, match="begins with none of") as caught:
        glance_address("oracle+oracledb://glance:hunter2@db/glance")
    assert "hunter2" not in str(caught.value)
