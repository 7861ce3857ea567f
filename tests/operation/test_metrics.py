"""What Prometheus and other observers are told, checked against what was done: bytes, outcomes, what is under way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import MIB
from imgstore.store import Store, StoreSet
from imgstore.transfers.begin import ANY
from imgstore.transfers.observer import Observer, Outcome, Transfer
from imgstore.transfers.upload import UploadSettings
from tests.support.client import Client, new_id
from tests.support.service import LocalService
from tests.support.waiting import until

LIMIT = 4 * MIB


class Defective(Observer):
    """Raises whatever it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def began(self, transfer: Transfer) -> None:
        self._fail("began")

    def moved(self, transfer: Transfer, count: int) -> None:
        self._fail("moved")

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        self._fail("ended")

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        self._fail("failed")

    def _fail(self, told: str) -> None:
        self.told.append(told)
        raise RuntimeError("an observer's defect")


@pytest.fixture
def defective() -> Defective:
    return Defective()


@pytest.fixture
def local(tmp_path_factory: pytest.TempPathFactory, defective: Defective) -> Iterator[LocalService]:
    """A service of its own, so that every count begins at nothing. Uploads may go to several stores, of which one is
    enough; `tiny` takes nearly nothing."""
    drivers = {"main": MemoryDriver(capacity=64 * MIB), "other": MemoryDriver(), "tiny": MemoryDriver(capacity=10)}
    stores = StoreSet([Store(name, driver) for name, driver in drivers.items()], default="main")
    settings = UploadSettings(max_image_size=LIMIT, several_stores=ANY)
    made = LocalService(tmp_path_factory.mktemp("metrics"), stores, settings=settings, observers=[defective])
    with made.running():
        yield made


@pytest.fixture
def client(local: LocalService) -> Client:
    return local.client


def told(client: Client, name: str) -> dict[str, float]:
    """The values of one metric, by the values of their labels."""
    answer = client.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.body.decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    names = ("method", "resource", "store", "status", "lane", "kind", "reason")
    return {" ".join(filter(None, map(sample.labels.get, names))): sample.value for sample in samples}


def assert_nothing_in_flight(client: Client) -> None:
    for name in ("uploads", "upload_bytes", "downloads", "download_bytes", "copies"):
        assert set(told(client, f"imgstore_{name}_in_flight").values()) <= {0}, name


def test_uploads_by_store_and_status(client: Client) -> None:
    good, late = client.create(), client.create()
    assert client.upload(good, b"x" * 1000).status == 204
    assert client.upload(client.create(), [b"x" * 500] * 2, store="other").status == 204
    assert client.upload(good, b"again").status == 409
    assert client.upload(new_id(), b"nowhere").status == 404
    assert client.upload(late, b"", headers={"Content-Length": str(LIMIT + 1), "Expect": "100-continue"}).status == 413
    assert client.upload(late, [b"x" * MIB] * 5).status == 413
    assert client.upload(late, b"x", store="nope").status == 400
    assert told(client, "imgstore_uploads_total") == {
        "main 204": 1, "other 204": 1, "main 409": 1, "main 404": 1, "main 413": 2,
    }  # fmt: skip
    sent = told(client, "imgstore_upload_bytes_total")
    assert (1000 + LIMIT <= sent["main"] <= 1000 + LIMIT + MIB, sent["other"]) == (True, 1000)
    assert told(client, "imgstore_upload_seconds_count") == {"main": 5, "other": 1}
    assert_nothing_in_flight(client)


def test_upload_to_several_stores_counts_in_each(client: Client) -> None:
    assert client.upload(client.create(), b"x" * 1000, store="main,other").status == 204
    assert client.upload(client.create(), b"x" * 1000, store="main,tiny").status == 204
    assert client.upload(client.create(), b"x", store="main,main").status == 400
    assert told(client, "imgstore_uploads_total") == {"main 204": 2, "other 204": 1, "tiny left-out": 1}
    sent = told(client, "imgstore_upload_bytes_total")
    assert (sent["main"], sent["other"]) == (2000, 1000)
    assert_nothing_in_flight(client)


def test_copies_by_store_and_outcome(local: LocalService, client: Client) -> None:
    image_id = client.create()
    assert client.upload(image_id, b"x" * 1000).status == 204
    path = f"/v2/images/{image_id}/import"
    for must, status in ((True, 413), (False, 202)):
        wanted = {"method": {"name": "copy-image"}, "stores": ["other", "tiny"], "all_stores_must_succeed": must}
        assert client.post(path, wanted).status == status
        assert local.service.copies.wait_until_idle(60)
    assert client.show(image_id)["stores"] == "main,other"
    assert told(client, "imgstore_copies_total") == {"other done": 1, "tiny left-out": 1}, "what was refused is no copy"
    assert_nothing_in_flight(client)


def test_uploads_and_bytes_in_flight(client: Client) -> None:
    images = [client.create(), client.create()]
    with (
        client.begin_upload(images[0], length=2 * MIB) as first,
        client.begin_upload(images[1], length=None, store="other") as second,
    ):
        assert told(client, "imgstore_uploads_in_flight") == {"main": 1, "other": 1}
        first.send(b"x" * MIB)
        until(lambda: told(client, "imgstore_upload_bytes_in_flight") == {"main": MIB, "other": 0})
        first.send(b"x" * MIB)
        assert first.finish().status == 204
        assert told(client, "imgstore_uploads_in_flight") == {"main": 0, "other": 1}
        assert told(client, "imgstore_upload_bytes_in_flight")["main"] == 0
        second.send(b"x")
        assert second.finish().status == 204
    assert told(client, "imgstore_upload_bytes_total")["main"] == 2 * MIB


def test_transfers_of_a_store_beside_their_limit(local: LocalService, client: Client) -> None:
    bulkhead = local.service.stores.resolve("other").bulkhead
    with client.begin_upload(client.create(), length=1, store="other"), ThreadPoolExecutor(1) as pool:
        assert told(client, "imgstore_store_transfers") == {"main": 0, "other": 1, "tiny": 0}
        slots = [bulkhead.take() for _ in range(bulkhead.max_transfers - 1)]
        waiting = pool.submit(bulkhead.take)
        until(lambda: told(client, "imgstore_store_transfers_waiting")["other"] == 1)
        most = bulkhead.max_transfers
        assert told(client, "imgstore_store_transfers_limit")["other"] == most
        state = f"{most} of {most} under way, 1 waiting"
        entries = client.get("/status").json()["entries"]
        assert [each["name"] for each in entries if each["state"] == state] == ["other"]
        for slot in slots:
            slot.free()
        waiting.result().free()


def test_client_that_breaks_off_is_an_aborted_upload(client: Client) -> None:
    with client.begin_upload(client.create(), length=10) as upload:
        upload.send(b"half")
        assert upload.end_side().status == 400
    assert told(client, "imgstore_uploads_total") == {"main aborted": 1}
    assert_nothing_in_flight(client)


def test_downloads_by_store_and_outcome(local: LocalService, client: Client) -> None:
    image_id, lost = client.create(), client.create()
    client.upload(image_id, b"x" * 1000, store="other")
    client.upload(lost, b"x" * 1000)
    local.service.stores.resolve("main").driver.delete(lost)
    assert len(client.download(image_id).body) == 1000
    assert len(client.download(image_id, Range="bytes=0-9").body) == 10
    assert client.request("HEAD", f"/v2/images/{image_id}/file").status == 200
    assert client.download(lost).status == 410
    until(lambda: told(client, "imgstore_downloads_total") == {"other whole": 2, "main 410": 1})
    assert told(client, "imgstore_download_bytes_total") == {"other": 1010, "main": 0}
    assert_nothing_in_flight(client)


def test_client_that_leaves_is_a_cut_download(client: Client) -> None:
    image_id = client.create()
    client.upload(image_id, bytes(LIMIT))
    with client.open_download(image_id) as download:
        download.read(1)
        assert told(client, "imgstore_downloads_in_flight") == {"main": 1}
    until(lambda: told(client, "imgstore_downloads_total") == {"main cut": 1})


def test_requests_by_method_resource_and_status_and_nothing_of_images(client: Client) -> None:
    image_id = client.create()
    client.upload(image_id, b"data")
    client.get(f"/v2/images/{image_id}")
    client.get("/no/such/path")
    client.request("BREW", "/v2/images")
    expected = {"POST api 201": 1, "PUT data 204": 1, "GET api 200": 1, "GET api 404": 1, "other api 400": 1}
    # A request is counted when its answer has been sent: perhaps after the client has read it.
    until(lambda: expected.items() <= told(client, "imgstore_http_requests_total").items())
    assert image_id.encode() not in client.get("/metrics").body


def test_health_and_room_of_stores(client: Client) -> None:
    assert told(client, "imgstore_store_up") == {"main": 1, "other": 1, "tiny": 1}
    assert set(told(client, "imgstore_store_check_seconds")) == {"main", "other", "tiny"}


def test_what_the_database_knows_is_told_as_it_was_counted(
    local: LocalService, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.upload(client.create(), b"x" * 1000)
    removed = client.create()
    client.upload(removed, b"x", store="other")
    monkeypatch.setattr(local.service.stores.resolve("other").driver, "delete", refuse)
    assert client.delete(removed).status == 204
    with client.begin_upload(client.create(), length=10):
        local.service.counting.count()
        assert told(client, "imgstore_store_bytes") == {"main": 1000, "other": 1, "tiny": 0}
        assert told(client, "imgstore_removals_waiting") == {"main": 0, "other": 1, "tiny": 0}
        assert told(client, "imgstore_leases_expired") == {"": 0}
        assert told(client, "imgstore_threads_busy")["transfers"] >= 1
        for waiting in ("imgstore_requests_waiting", "imgstore_requests_without_thread_total"):
            assert told(client, waiting)["transfers"] == 0
    assert told(client, "imgstore_catalog_up") == told(client, "imgstore_ledger_up") == {"": 1}


def refuse(key: str) -> None:
    raise errors.StoreUnavailable("Image storage is not available.")


def test_refusals_by_kind_and_reason(client: Client) -> None:
    assert client.upload(new_id(), b"nowhere").status == 404
    assert client.upload(client.create(), b"x" * 11, store="tiny").status == 413
    assert told(client, "imgstore_refusals_total") == {"upload image-not-found": 1, "upload store-full": 1}


def test_observer_that_raises_harms_nothing(
    local: LocalService, client: Client, defective: Defective, caplog: pytest.LogCaptureFixture
) -> None:
    image_id = client.create()
    assert client.upload(image_id, [b"x" * 1000] * 3).status == 204
    assert client.download(image_id).body == b"x" * 3000
    assert client.post(f"/v2/images/{image_id}/import", COPY).status == 202
    assert local.service.copies.wait_until_idle(60)
    assert client.show(image_id)["stores"] == "main,other"
    assert client.upload(image_id, b"again").status == 409
    assert set(defective.told) == {"began", "moved", "ended", "failed"}
    assert "An observer failed" in caplog.text


COPY = {"method": {"name": "copy-image"}, "stores": ["other"]}


def test_good_upload_and_copy_are_one_line_each_in_the_log(
    local: LocalService, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "imgstore.transfers.observer")
    image_id = client.create()
    client.upload(image_id, b"x" * 1000)
    client.post(f"/v2/images/{image_id}/import", COPY)
    assert local.service.copies.wait_until_idle(60)
    client.download(image_id)
    told = [record for record in caplog.records if record.name == "imgstore.transfers.observer"]
    lines = [line for record in told if image_id in (line := record.getMessage()) and record.levelname == "INFO"]
    assert len(lines) == 2
    assert re.fullmatch(rf"Image {image_id}: upload to main, 1000 bytes in \d+\.\d s \(md5, sha512\)", lines[0])
    assert re.fullmatch(rf"Image {image_id}: copy to other, 1000 bytes in \d+\.\d s \(sha512\)", lines[1])
