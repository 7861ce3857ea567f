"""Glance's notifications: `image.prepare`, `image.upload`, `image.activate` and `image.send`, with Glance's payloads,
for whoever listens by oslo.messaging (Ceilometer, billing). `image.create`, `.update` and `.delete` are the host's own:
it knows when it changes its table.

    transport = oslo_messaging.get_notification_transport(conf)  # as [oslo_messaging_notifications] says
    notifier = oslo_messaging.Notifier(transport, "image.localhost")
    observers = [Notifications(notifier, describe=metadata_of_image)]
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from imgstore.errors import ImgstoreError
from imgstore.transfers.observer import DOWNLOAD, UPLOAD, Observer, Outcome, Transfer


class Notifications(Observer):
    """`describe`: the image as the API shows it, but for its locations. A broker may be slow and an observer may not,
    so a thread sends the messages; `close` waits for it."""

    def __init__(self, notifier: Any, describe: Callable[[str], Mapping[str, Any]]) -> None:
        self._notifier, self._describe = notifier, describe
        self._sent: dict[Transfer, int] = {}
        self._thread = ThreadPoolExecutor(1, "notifications")
        self.close = self._thread.shutdown

    def began(self, transfer: Transfer) -> None:
        self._sent[transfer] = 0
        if transfer.kind == UPLOAD:
            self._thread.submit(self._tell_of_image, "image.prepare", transfer)

    def moved(self, transfer: Transfer, count: int) -> None:
        self._sent[transfer] += count

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        sent = self._sent.pop(transfer)
        if transfer.kind == UPLOAD:
            self._thread.submit(self._tell_of_image, "image.upload", transfer)
            self._thread.submit(self._tell_of_image, "image.activate", transfer)
        elif transfer.kind == DOWNLOAD:
            self._thread.submit(self._tell_of_send, self._notifier.info, transfer, sent)

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        sent, why = self._sent.pop(transfer), error.message if isinstance(error, ImgstoreError) else "given up"
        if transfer.kind == UPLOAD:
            text = f"Failed to upload image data for image {transfer.image_id}: {why}"
            self._thread.submit(self._notifier.error, {}, "image.upload", text)
        elif transfer.kind == DOWNLOAD:
            self._thread.submit(self._tell_of_send, self._notifier.error, transfer, sent)

    def _tell_of_image(self, event: str, transfer: Transfer) -> None:
        self._notifier.info({}, event, dict(self._describe(transfer.image_id)))

    def _tell_of_send(self, tell: Callable[..., object], transfer: Transfer, sent: int) -> None:
        project, user = (getattr(transfer.context, name, None) for name in ("project_id", "user_id"))
        payload = {"image_id": transfer.image_id, "owner_id": self._describe(transfer.image_id)["owner"]}
        receiver = {"receiver_tenant_id": project, "receiver_user_id": user}
        tell({}, "image.send", {**payload, **receiver, "bytes_sent": sent})
