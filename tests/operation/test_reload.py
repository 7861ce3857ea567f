"""SIGHUP: what can change while the service runs does, the rest is named, and nothing ends it or what is under way."""

from __future__ import annotations

import gc
import ssl
import weakref
from pathlib import Path

from imgstore.driver.base import StoreDriver
from imgstore.drivers.filesystem.driver import FilesystemDriver
from imgstore.drivers.memory import MemoryDriver
from imgstore.service.reloaded_stores import ENABLED, StoreChanges, compared
from imgstore.store import Store, StoreSet
from tests.support.certificates import write_certificate
from tests.support.service import LocalService, Options, ServiceProcess
from tests.support.waiting import until

TAKEN, REFUSED = "The configuration was read again", "The new configuration is not taken"
HALF = b"x" * 4_000_000


def told(service: ServiceProcess, what: str, *, times: int = 1) -> str:
    """The log, once it has told `what` so often."""
    until(lambda: service.log.read_text().count(what) >= times)
    return service.log.read_text()


class UnderNohup(ServiceProcess):
    """One that its user wants to outlive the terminal: SIGHUP is ignored at its start."""

    def command(self) -> list[str]:
        """See ServiceProcess."""
        return ["nohup", *super().command()]


def test_hangup_changes_what_can_change_and_disturbs_nothing_under_way(tmp_path: Path) -> None:
    changed: Options = {
        "imgstore": {
            "enabled_stores": "fast:filesystem, slow:filesystem, third:filesystem",
            "project_images": 3,
            "max_image_size": "9MiB",
        },
        "service": {"threads": 3, "log_format": "json"},
        "fast": {"read_only": True, "weight": 7},
        "third": {"datadir": tmp_path / "third"},
    }
    with UnderNohup(tmp_path) as service:
        client = service.client
        held, read, late = (client.create() for _ in range(3))
        assert client.upload(read, 2 * HALF).status == 204
        with client.begin_upload(held, length=2 * len(HALF), store="fast") as upload:
            upload.send(HALF)
            with client.open_download(read) as download:
                assert download.read(1) == b"x"
                service.hang_up(changed)
                log = told(service, "at the next start only", times=2)
                assert len(download.read()) == 2 * len(HALF) - 1
            upload.send(HALF)
            assert upload.finish().status == 204
        lines = [line for line in log.splitlines() if "at the next start only" in line]
        assert ["[service] threads" in lines[1], "[imgstore] max_image_size" in lines[0], len(lines)] == [True, True, 2]
        assert lines[1].startswith("{"), "the log is JSON from now on"
        assert client.upload(late, b"late", store="fast").status == 410
        until(lambda: client.upload(late, b"late", store="third").status == 204)
        assert client.show(late)["stores"] == "third"
        assert client.post("/v2/images", {}).status == 413, "the new quota of images counts"
        wrongs: list[dict[str, object]] = [{"threads": "many"}, {"nothing": 1}]
        for number, wrong in enumerate(wrongs, 1):
            service.hang_up({"service": wrong, "slow": {"read_only": True}})
            assert f"[service] {next(iter(wrong))}" in told(service, REFUSED, times=number).rpartition(REFUSED)[2]
        service.hang_up({**changed, "third": {"datadir": tmp_path / "fast" / "in"}, "slow": {"read_only": True}})
        told(service, "it would share a place")
        assert client.delete(late).status == 204
        assert client.upload(client.create(), b"as before", store="slow").status == 204, "nothing of a wrong one counts"
        assert service.terminate() == 0


def test_hangup_takes_renewed_certificates_for_connections_that_come(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    options: Options = {"service": {"tls_certificate": certificate, "tls_key": key}}
    with ServiceProcess(tmp_path, options=options) as service:

        def shown() -> str:
            return ssl.get_server_certificate(service.client.address)

        before = shown()
        key.write_text("broken")
        service.hang_up(options)
        assert "[service] tls_certificate" in told(service, REFUSED)
        assert shown() == before
        write_certificate(tmp_path)
        service.hang_up(options)
        told(service, TAKEN)
        assert shown() == certificate.read_text() != before
        (tmp_path / "other").mkdir()
        other, its_key = write_certificate(tmp_path / "other")
        service.hang_up({"service": {"tls_certificate": other, "tls_key": its_key}})
        assert "Changed: [service] tls_certificate, [service] tls_key\n" in told(service, TAKEN, times=2)
        assert shown() == other.read_text()
        service.hang_up({})
        told(service, "[service] tls_certificate was changed, which takes effect at the next start only")
        assert shown() == other.read_text()


def store(name: str, driver: StoreDriver, *, weight: int = 0) -> Store:
    return Store(name, driver, weight=weight)


def test_another_driver_takes_over_only_at_the_same_marked_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    former, same, other = (FilesystemDriver(datadir=str(tmp_path / name)) for name in "aab")
    changed = {("s", "weight"), ("s", "file_mode"), ("s", "max_transfers")}
    for marked, driver, taken in ((False, same, False), (True, other, False), (True, same, True)):
        if marked:
            former.expect_mark("m")
        found = compared([store("s", former)], [store("s", driver, weight=5)], changed=changed)
        assert found.stores[0].weight == 5
        assert (found.stores[0].driver is driver) is taken
        assert found.waiting - {("s", "file_mode")} == {("s", "max_transfers")}
        assert (("s", "file_mode") in found.waiting) is not taken
        assert (list(found.replaced), list(found.unused)) == (([former], []) if taken else ([], [driver]))
    assert same.mark == "m"


def test_store_that_is_taken_out_or_gets_another_driver_stays_until_the_next_start(tmp_path: Path) -> None:
    former, added = store("s", MemoryDriver()), store("new", MemoryDriver())
    for built in ([], [store("s", FilesystemDriver(datadir=str(tmp_path)))]):
        found = compared([former], [*built, added], changed={ENABLED, ("s", "datadir")})
        assert [each.driver for each in found.stores] == [former.driver, added.driver]
        assert (found.added, found.waiting) == ([added], {ENABLED})


def test_bounded_memory_a_driver_that_was_replaced_is_freed(tmp_path: Path) -> None:
    """Keys may be renewed every hour, for years."""
    with LocalService(tmp_path, StoreSet([store("s", MemoryDriver())], default="s")).running() as local:
        service = local.service
        former = weakref.ref(service.stores.resolve("s").driver)
        service.take(StoreChanges([store("s", MemoryDriver())], [], [service.stores.resolve("s").driver], [], set()))
        gc.collect()
        assert former() is None


def test_store_that_was_added_is_told_to_who_creates_an_image(tmp_path: Path) -> None:
    former, added = store("s", MemoryDriver()), store("new", MemoryDriver())
    with LocalService(tmp_path, StoreSet([former], default="s")).running() as local:
        local.service.stores.take([former, added])
        assert local.client.post("/v2/images", {}).headers["openstack-image-store-ids"] == "s,new"
