"""Promises of some hosts over HTTP: stores that a client names, stores that take nothing, images that are signed."""

from __future__ import annotations

from imgstore.testing.hosts.host_bench import JSON, HostBench
from imgstore.testing.hosts.uploads_over_http import STORE, TEN


class NamesStores:
    """For hosts whose clients name a store: adopt it beside `HostContract`, and name them in `subject.stores`. Unknown
    names are `HostContract`'s."""

    def test_image_goes_to_the_store_that_is_named(self, bench: HostBench) -> None:
        for store in bench.subject.stores:
            image_id = bench.create()
            answer = bench.put(image_id, TEN, (STORE, store)).must_be(204)
            bench.assert_stored(image_id, TEN)
            found = list(bench.subject.inventory_of(store))
            if not any(image_id in name for name in found):
                answer.fail(f"storing image {image_id} in {store!r}", did=f"left {sorted(found)} there")


class HasReadOnlyStore:
    """For hosts with a store that takes no images: adopt it beside `HostContract`, and name it in
    `subject.read_only_store`."""

    def test_read_only_store_takes_nothing(self, bench: HostBench) -> None:
        image_id, before = bench.create(), bench.inventory()
        store = bench.subject.read_only_store
        bench.put(image_id, TEN, (STORE, store), JSON).must_be(410).must_say(store)
        bench.assert_undone(image_id, before)


class RefusesSignatures:
    """For hosts whose images have properties, and that verify no signature: adopt it beside `HostContract`, and give
    its subject a `create_signed`."""

    def test_image_that_is_said_to_be_signed_is_never_active(self, bench: HostBench) -> None:
        image_id, before = bench.subject.create_signed(bench.caller), bench.inventory()
        if image_id is not None:
            bench.put(image_id, TEN, JSON).must_be(400).must_say("img_signature")
            bench.get(image_id).must_be(204)
            bench.assert_nothing_new(before)
