"""Glance on S3 and Swift: real ranges, nothing left of what fails, and the right status for every failure."""

from __future__ import annotations

import hashlib
import re

import pytest

from imgstore.testing.faults import Respond, s3_error
from tests.glance.house import PART, House, Objects
from tests.support.waiting import until

pytestmark = pytest.mark.long

LARGE = bytes(range(256)) * (2 * PART // 256) + b"and a bit"
SHORT = LARGE[:1000]
STORES = pytest.mark.parametrize("store", ["cold", "vault"])
FULL = {"cold": s3_error(403, "QuotaExceeded"), "vault": Respond(413)}


@STORES
@pytest.mark.parametrize("body", [SHORT, LARGE], ids=["short", "large"])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_image_comes_back_exact(house: House, objects: Objects, store: str, body: bytes, chunked: bool) -> None:
    before, image = objects.everything(store), house.client.create()
    assert house.client.upload(image, iter([body]) if chunked else body, store=store).status == 204
    shown = house.client.show(image)
    assert (shown["stores"], shown["size"]) == (store, len(body))
    assert shown["checksum"] == hashlib.md5(body).hexdigest()
    assert shown["os_hash_value"] == hashlib.sha512(body).hexdigest()
    assert house.client.download(image).body == body
    assert house.client.delete(image).status == 204
    assert objects.everything(store) == before


@STORES
def test_a_range_of_an_image_is_a_range_of_its_object(house: House, objects: Objects, store: str) -> None:
    image = house.stored(LARGE, store=store)
    proxy = objects.proxies[store]
    before = len(proxy.requests)
    assert house.client.download(image, Range=f"bytes={PART - 5}-{PART + 4}").body == LARGE[PART - 5 : PART + 5]
    asked = [seen.headers.get("range") for seen in proxy.requests[before:] if seen.method == "GET"]
    assert f"bytes={PART - 5}-{PART + 4}" in asked
    assert house.client.delete(image).status == 204


@STORES
def test_a_client_that_goes_away_leaves_nothing(house: House, objects: Objects, store: str) -> None:
    before, image = objects.everything(store), house.client.create()
    head = {"Content-Type": "application/octet-stream", "Content-Length": str(2 * len(LARGE))}
    with house.client.connect("PUT", f"/v2/images/{image}/file", {**head, "X-Image-Meta-Store": store}) as connection:
        connection.sendall(LARGE)
        until(lambda: objects.everything(store) != before)
    until(lambda: house.client.show(image)["status"] == "queued")
    assert objects.everything(store) == before
    assert house.client.upload(image, SHORT, store=store).status == 204


@STORES
def test_a_store_that_is_down_is_503(house: House, objects: Objects, store: str) -> None:
    image, new = house.stored(SHORT, store=store), house.client.create()
    objects.proxies[store].on(Respond(503, early=True), times=None)
    answers = [
        house.client.upload(new, SHORT, store=store), house.client.download(image), house.client.delete(image),
    ]  # fmt: skip
    assert [answer.status for answer in answers] == [503, 503, 503]
    assert [re.fullmatch("[0-9]+", answer.headers["retry-after"]) is not None for answer in answers[:2]] == [True] * 2
    objects.heal()
    assert house.client.download(image).body == SHORT
    assert house.client.upload(new, SHORT, store=store).status == 204
    assert house.client.delete(image).status == 204


@STORES
def test_a_full_store_is_413(house: House, objects: Objects, store: str) -> None:
    before, image = objects.everything(store), house.client.create()
    objects.proxies[store].on(FULL[store], method="PUT", path=image, times=None)
    house.refused(house.client.upload(image, SHORT, store=store), 413, image)
    objects.heal()
    assert objects.everything(store) == before
    assert house.client.upload(image, SHORT, store=store).status == 204


@STORES
def test_data_that_is_gone_is_410(house: House, objects: Objects, store: str) -> None:
    image = house.stored(SHORT, store=store)
    objects.remove(store, image)
    assert house.client.download(image).status == 410
    assert house.client.delete(image).status == 204
