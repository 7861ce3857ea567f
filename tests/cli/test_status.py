"""`imgstore status`: what the service tells, or else what the database knows."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.support import Shop
from tests.support.service import ServiceProcess


def test_service_is_asked_or_else_the_database(tmp_path: Path, shop: Shop) -> None:
    service = ServiceProcess(tmp_path)
    where = ["--config-file", str(service.configuration), "--data-dir", str(service.root)]
    with service:
        url = service.client.url
        service.client.upload(service.client.create(), bytes(7))
        found = shop.run("status", "--url", url, *where, "-f", "json").json()
        stores = {entry["name"]: entry["state"] for entry in found if entry["what"] == "store"}
        assert stores == {"fast": "up", "slow": "up"}
    done = shop.run("status", "--url", url, *where, "-f", "json")
    assert done.status == 5
    assert "no service answers at 127.0.0.1 port" in done.err
    told = {entry["name"]: entry["bytes"] for entry in json.loads(done.out) if entry["what"] == "store"}
    assert told == {"fast": 7, "slow": 0}
