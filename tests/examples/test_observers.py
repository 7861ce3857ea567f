"""The observers of the examples tell what their readers expect: events of CADF, notifications of Glance."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgstore import CopyRequest, errors
from imgstore.transfers.download import DownloadService
from imgstore.transfers.observer import Observer
from tests.core.copying_world import Copying
from tests.core.world import IMAGE, OWNER
from tests.support.child import python_of

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@dataclass(frozen=True)
class Context:
    """As oslo.context's, which a host's catalog compares with the owner."""

    project_id: str = OWNER
    user_id: str = "ann"
    token: str = "hunter2"

    def __eq__(self, other: object) -> bool:
        return other == self.project_id

    def __hash__(self) -> int:
        return hash(self.project_id)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


def transfer(observer: Observer) -> None:
    """An upload that succeeds, one that fails, a download that is whole, and one that is given up; a copy."""
    world = Copying(observers=[observer], watching_copies=[observer])
    downloads = DownloadService(world.stores, source=world.rows, observers=[observer])
    with downloads.open(world.image, stop=10, context=Context()) as download:
        b"".join(download)
    with downloads.open(world.image, stop=10, context=Context()) as download:
        next(iter(download))
    with pytest.raises(errors.ImageConflict):
        world.begin("fast", context=Context())
    world.copying.begin(CopyRequest(IMAGE, ["far"], context=Context())).run()


def test_an_audit_has_one_event_for_each_transfer_with_who_what_and_how_it_ended() -> None:
    from audit import Audit

    lines: list[str] = []
    transfer(Audit(lines.append, service="images.example.org"))
    events = [json.loads(line) for line in lines]
    assert [(each["action"], each["outcome"], each.get("reason", {}).get("reasonCode")) for each in events] == [
        ("update/upload", "success", None), ("read/download", "success", None),
        ("read/download", "failure", "given-up"), ("update/upload", "failure", "image-conflict"),
        ("update/copy", "success", None),
    ]  # fmt: skip
    required = {"typeURI", "id", "eventType", "eventTime", "action", "outcome", "initiator", "target", "observer"}
    assert all(required <= event.keys() for event in events)
    assert all(
        {"id", "typeURI"} <= event[who].keys() for event in events for who in ("initiator", "target", "observer")
    )
    assert {event["initiator"]["id"] for event in events[1:]} == {"ann"}
    assert {event["target"]["id"] for event in events} == {IMAGE}
    assert events[4]["attachments"][0]["content"]["stores"] == ["far"]
    assert "hunter2" not in "".join(lines)


class Recorder:
    """What oslo.messaging's notifier is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []

    def info(self, ctxt: dict[str, str], event_type: str, payload: object) -> None:
        self.told.append(("INFO", event_type, payload))

    def error(self, ctxt: dict[str, str], event_type: str, payload: object) -> None:
        self.told.append(("ERROR", event_type, payload))


def test_notifications_are_those_of_glance() -> None:
    from notifications import Notifications

    recorder, image = Recorder(), {"id": IMAGE, "owner": OWNER, "size": 10}
    observer = Notifications(recorder, lambda image_id: image)
    transfer(observer)
    observer.close()
    sent = {"image_id": IMAGE, "owner_id": OWNER, "receiver_tenant_id": OWNER, "receiver_user_id": "ann"}
    *told, (level, event, text) = recorder.told
    assert told == [
        ("INFO", "image.prepare", image), ("INFO", "image.upload", image), ("INFO", "image.activate", image),
        ("INFO", "image.send", {**sent, "bytes_sent": 10}), ("ERROR", "image.send", {**sent, "bytes_sent": 0}),
        ("INFO", "image.prepare", image),
    ]  # fmt: skip
    assert (level, event) == ("ERROR", "image.upload")
    assert text.startswith(f"Failed to upload image data for image {IMAGE}: ")


LISTENING = """
import json, time
import oslo_messaging
from oslo_config import cfg
from notifications import Notifications
from imgstore import DownloadService, Store, StoreSet, UploadRequest, UploadService
from imgstore.catalog import MemoryCatalog
from imgstore.drivers.memory import MemoryDriver

class Endpoint:
    def info(self, ctxt, publisher_id, event_type, payload, metadata):
        heard.append((publisher_id, event_type, sorted(payload)))

heard, conf = [], cfg.ConfigOpts()
conf([], default_config_files=[])
transport = oslo_messaging.get_notification_transport(conf, url="fake://")
target = oslo_messaging.Target(topic="notifications")
listener = oslo_messaging.get_notification_listener(transport, [target], [Endpoint()], executor="threading")
listener.start()
notifier = oslo_messaging.Notifier(transport, "image.localhost", driver="messagingv2", topics=["notifications"])
observers = [Notifications(notifier, lambda image_id: {"id": image_id, "owner": "p"})]
stores, catalog = StoreSet([Store("a", MemoryDriver())], default="a"), MemoryCatalog()
catalog.create("i", owner="p")
with UploadService(stores, catalog=catalog, observers=observers).begin(UploadRequest("i")) as session:
    session.write(b"data")
    session.finish()
with DownloadService(stores, source=catalog, observers=observers).open(catalog.find("i")) as download:
    b"".join(download)
observers[0].close()
while len(heard) < 4:
    time.sleep(0.01)
listener.stop()
listener.wait()
print(json.dumps(heard))
"""


@pytest.mark.long
def test_a_listener_of_oslo_messaging_hears_the_notifications() -> None:
    """The environment of the tests' Keystone has oslo.messaging."""
    command = [str(python_of("keystone")), "-W", "ignore", "-c", LISTENING]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES.parent), str(EXAMPLES)])}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    image, sent = ["id", "owner"], ["bytes_sent", "image_id", "owner_id", "receiver_tenant_id", "receiver_user_id"]
    events = ("prepare", "upload", "activate")
    expected = [["image.localhost", f"image.{event}", image] for event in events]
    assert json.loads(done.stdout) == [*expected, ["image.localhost", "image.send", sent]]
