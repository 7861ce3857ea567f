"""Glance's imports: from its staging area, from the web, and from one store to another."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from imgstore.testing.faults import Respond
from tests.glance.house import PART, House, Objects
from tests.support.client import OCTETS
from tests.support.waiting import until

pytestmark = pytest.mark.long

BODY = bytes(range(256)) * (PART // 256) + b"and a bit"


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextlib.contextmanager
def web_page() -> Iterator[str]:
    """The URL of a page that is the image."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/image"
        server.shutdown()
        thread.join()


def begin(house: House, image: str, stores: list[str], *, all_of_them: bool = True, **method: str) -> None:
    """Begins an import."""
    value = {"method": method, "stores": stores, "all_stores_must_succeed": all_of_them}
    answer = house.client.post(f"/v2/images/{image}/import", value)
    assert answer.status == 202, answer


def ended(house: House, image: str) -> dict[str, Any]:
    """The image, when no import of it is under way."""
    until(lambda: not house.client.show(image).get("os_glance_import_task"))
    return house.client.show(image)


def staged(house: House) -> str:
    """A new image whose data wait for an import."""
    image = house.client.create()
    assert house.client.request("PUT", f"/v2/images/{image}/stage", body=BODY, headers=OCTETS).status == 204
    return image


def copied(house: House, image: str, store: str) -> bool:
    return store in house.client.show(image)["stores"].split(",")


def test_what_was_staged_is_imported_into_several_stores(house: House) -> None:
    image = staged(house)
    begin(house, image, ["fast", "cold", "vault"], name="glance-direct")
    until(lambda: house.client.show(image)["status"] == "active")
    assert set(ended(house, image)["stores"].split(",")) == {"fast", "cold", "vault"}
    for store in ("fast", "cold", "vault"):
        assert house.client.get(f"/v2/images/{image}/file?prefer={store}").body == BODY
    assert house.client.delete(image).status == 204


def test_a_web_page_is_imported(house: House) -> None:
    image = house.client.create()
    with web_page() as url:
        begin(house, image, ["vault"], name="web-download", uri=url)
        until(lambda: house.client.show(image)["status"] == "active")
    assert house.client.download(image).body == BODY


def test_an_image_is_copied_from_store_to_store(house: House, objects: Objects) -> None:
    before = objects.everything("cold"), objects.everything("vault")
    image = house.stored(BODY, store="fast")
    for store in ("cold", "vault"):
        begin(house, image, [store], name="copy-image")
        until(partial(copied, house, image, store))
        ended(house, image)
    (house.datadir("fast") / image).unlink()
    assert house.client.download(image).body == BODY  # from another store, since there it is gone
    assert house.client.request("DELETE", f"/v2/stores/cold/{image}").status == 204
    assert objects.everything("cold") == before[0]
    assert house.client.delete(image).status == 204
    assert objects.everything("vault") == before[1]


def test_an_import_that_fails_in_one_store_leaves_nothing(house: House, objects: Objects) -> None:
    before, files, image = objects.everything("vault"), house.files("fast"), staged(house)
    objects.proxies["vault"].on(Respond(503, early=True), method="PUT", times=None)
    begin(house, image, ["fast", "vault"], name="glance-direct")
    shown = ended(house, image)
    objects.heal()
    assert (shown["status"], shown.get("stores", "")) != ("active", "fast,vault")
    until(lambda: (objects.everything("vault"), house.files("fast")) == (before, files))
    assert not house.client.show(image).get("stores")


def test_one_copy_cannot_be_removed_while_its_store_is_down(house: House, objects: Objects) -> None:
    image = house.stored(BODY[:1000], store="fast")
    begin(house, image, ["cold"], name="copy-image")
    until(lambda: "cold" in house.client.show(image)["stores"].split(","))
    ended(house, image)
    objects.proxies["cold"].on(Respond(503), times=None)
    assert house.client.request("DELETE", f"/v2/stores/cold/{image}").status == 503
    objects.heal()
    assert house.client.request("DELETE", f"/v2/stores/cold/{image}").status == 204
