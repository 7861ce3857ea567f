"""An audit trail: one CADF event as a line of JSON for each upload, download and copy, however it ended.

    observers = [Audit(file.write, service="images.example.org")]

The fields are those of OpenStack's CADF (pycadf), which is not needed. Who asked for a transfer is in its context: here
that has `user_id` and `project_id`, as oslo.context's has.
"""

import datetime
import json
import uuid
from collections.abc import Callable

from imgstore.errors import ImgstoreError
from imgstore.transfers.observer import COPY, DOWNLOAD, UPLOAD, Observer, Outcome, Transfer

ACTIONS = {UPLOAD: "update/upload", DOWNLOAD: "read/download", COPY: "update/copy"}
KIND = "service/storage/image"


class Audit(Observer):
    """`write` takes a line; `service` is the name under which this service is known."""

    def __init__(self, write: Callable[[str], object], *, service: str) -> None:
        self._write, self._service = write, service

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        moved = {"stores": list(outcome.stores), "bytes": outcome.size, "digests": list(outcome.digests)}
        self._tell(transfer, "success", attachments=[{"name": "data", "contentType": "json", "content": moved}])

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        code = error.code if isinstance(error, ImgstoreError) else "given-up"
        self._tell(transfer, "failure", reason={"reasonType": "imgstore", "reasonCode": code})

    def _tell(self, transfer: Transfer, outcome: str, **more: object) -> None:
        who = {name: getattr(transfer.context, name, None) for name in ("user_id", "project_id")}
        event = {
            "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
            "id": str(uuid.uuid4()),
            "eventType": "activity",
            "eventTime": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            "action": ACTIONS[transfer.kind],
            "outcome": outcome,
            "initiator": {"id": who["user_id"], "typeURI": "service/security/account/user", **who},
            "target": {"id": transfer.image_id, "typeURI": KIND, "stores": list(transfer.stores)},
            "observer": {"id": self._service, "typeURI": KIND},
        }
        self._write(json.dumps({**event, **more}) + "\n")
