"""Glance on directories: what comes in goes out again, in every form; and every refusal of a store has its status."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.glance.house import SMALL, House
from tests.support.glance import GlanceServer
from tests.support.waiting import until

pytestmark = pytest.mark.long

BODY = bytes(range(256)) * 20_000
SHORT = BODY[:1000]
"""For what is refused before it is read: uwsgi resets the connection of a client that goes on sending."""


@pytest.mark.parametrize("store", ["fast", "other"])
def test_an_image_comes_back_exact(house: House, store: str) -> None:
    image = house.stored(BODY, store=store)
    shown = house.client.show(image)
    assert (shown["stores"], shown["size"], shown["status"]) == (store, len(BODY), "active")
    assert shown["checksum"] == hashlib.md5(BODY).hexdigest()
    assert shown["os_hash_value"] == hashlib.sha512(BODY).hexdigest()
    assert house.client.download(image).body == BODY
    assert house.client.download(image, Range="bytes=5000000-5000009").body == BODY[5_000_000:5_000_010]
    assert house.client.download(image, Range="bytes=-10").body == BODY[-10:]
    assert house.files(store) == {image}
    assert house.client.delete(image).status == 204
    assert house.files(store) == set()


@pytest.mark.parametrize("body", [b"", BODY], ids=["empty", "whole"])
def test_an_image_of_unknown_length_is_stored(house: House, body: bytes) -> None:
    image = house.client.create()
    assert house.client.upload(image, iter([body])).status == 204
    assert house.client.show(image)["size"] == len(body)
    assert house.client.download(image).body == body
    assert house.client.delete(image).status == 204


def test_a_refused_image_can_be_uploaded_again(house: House) -> None:
    """Glance looks at the content after it was stored; its own driver refuses every retry with 500."""
    image = house.client.create(disk_format="qcow2")
    house.refused(house.client.upload(image, BODY), 415, image)
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    raw = b'[{"op": "replace", "path": "/disk_format", "value": "raw"}]'
    assert house.client.request("PATCH", f"/v2/images/{image}", body=raw, headers=patch).status == 200
    assert house.client.upload(image, BODY).status == 204
    assert house.client.download(image).body == BODY
    assert house.client.delete(image).status == 204


def test_a_full_store_is_413(house: House) -> None:
    image, larger = house.client.create(), bytes(SMALL + 1)
    assert "full" in house.refused(house.client.upload(image, larger, store="small"), 413, image)
    house.refused(house.client.upload(image, iter([larger]), store="small"), 413, image)
    assert house.files("small") == set()
    assert house.client.upload(image, larger[1:], store="small").status == 204


def test_a_read_only_store_is_410(house: House) -> None:
    image = house.client.create()
    house.refused(house.client.upload(image, SHORT, store="closed"), 410, image)
    assert house.client.upload(image, BODY).status == 204


def test_a_busy_store_is_503(house: House) -> None:
    waiting = house.client.create()
    narrow = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": "narrow", "Content-Length": "10"}
    with house.client.connect("PUT", f"/v2/images/{waiting}/file", narrow) as connection:
        until(lambda: house.client.show(waiting)["status"] == "saving")
        image = house.client.create()
        answer = house.client.upload(image, SHORT, store="narrow")
        connection.sendall(bytes(10))
        assert connection.recv(12).endswith(b" 204")
    assert "max_transfers" in house.refused(answer, 503, image)
    assert answer.headers["retry-after"] == "10"


@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1])
def test_a_wrong_size_is_400(house: House, size: int) -> None:
    image = house.client.create()
    answer = house.client.upload(image, BODY, headers={"x-openstack-image-size": str(size)})
    house.refused(answer, 400, image)
    assert image not in house.files("fast")


def test_a_store_whose_disk_is_not_mounted_is_503(house: House) -> None:
    image, new = house.stored(BODY, store="lost"), house.client.create()
    mounted, away = house.datadir("lost"), house.datadir("lost").with_name("away")
    mounted.rename(away)
    for there in (False, True):
        if there:
            mounted.mkdir()
        answers = [
            house.client.upload(new, SHORT, store="lost"), house.client.download(image), house.client.delete(image),
        ]  # fmt: skip
        assert [answer.status for answer in answers] == [503, 503, 503]
        assert answers[1].headers["retry-after"] == "10"
    assert house.files("lost") == set()
    mounted.rmdir()
    away.rename(mounted)
    assert house.client.download(image).body == BODY
    assert house.client.upload(new, BODY, store="lost").status == 204
    assert house.client.delete(image).status == 204


def test_data_that_is_gone_is_410(house: House) -> None:
    image = house.stored(BODY, store="fast")
    (house.datadir("fast") / image).unlink()
    assert house.client.download(image).status == 410
    assert house.client.delete(image).status == 204


def test_a_client_that_goes_away_leaves_nothing(house: House) -> None:
    image = house.client.create()
    head = {"Content-Type": "application/octet-stream", "Content-Length": str(len(BODY))}
    with house.client.connect("PUT", f"/v2/images/{image}/file", head) as connection:
        connection.sendall(BODY[:100_000])
        until(lambda: house.client.show(image)["status"] == "saving")
    until(lambda: house.client.show(image)["status"] == "queued")
    assert image not in house.files("fast")
    assert house.client.upload(image, BODY).status == 204


def test_gunicorn_serves_as_well(tmp_path: Path, database: Path) -> None:
    backends = {"fast:imgstore_file": {"datadir": tmp_path / "fast", "places_dir": tmp_path / "places"}}
    with GlanceServer(tmp_path, database, backends, server="gunicorn") as glance:
        house = House(glance)
        image = house.stored(BODY, store="fast")
        assert house.client.download(image, Range="bytes=1-2").body == BODY[1:3]
        shutil.move(tmp_path / "fast", tmp_path / "away")
    (tmp_path / "fast").mkdir()
    with glance:  # a restart does not take another directory for the store's
        assert house.client.download(image).status == 503
        assert house.files("fast") == set()


def test_a_store_that_cannot_work_stops_the_start(tmp_path: Path, database: Path) -> None:
    backends = {"fast:imgstore_file": {"datadir": "relative", "places_dir": tmp_path / "places"}}
    glance = GlanceServer(tmp_path, database, backends, server="gunicorn")
    with pytest.raises(AssertionError, match=r"\[fast\] datadir: 'relative' is not an absolute path"), glance:
        pass
