"""`imgstore usage` and `imgstore db` on the service's own database."""

from __future__ import annotations

import json
import socket
import sqlite3

import pytest

from tests.cli.support import PATIENCE, Shop
from tests.support.service import ServiceProcess

QUOTA = 100


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> ServiceProcess:
    """A service that had two images of 5 and 7 bytes of one project, and one queued of another. It has service."""
    options = {"imgstore": {"project_quota": QUOTA}, "slow": {"project_quota": 50}}
    service = ServiceProcess(tmp_path_factory.mktemp("usage"), options=options)
    with service:
        for size, store in ((5, None), (7, "slow")):
            service.client.upload(service.client.create(), bytes(size), store=store)
        service.client.of("another").create()
    return service


def run(service: ServiceProcess, shop: Shop, *arguments: str, status: int = 0) -> list[dict[str, object]]:
    where = ["--config-file", str(service.configuration), "--data-dir", str(service.root)]
    done = shop.run(*arguments, *where, "-f", "json")
    assert (done.status, done.err) == (status, "")
    found: list[dict[str, object]] = json.loads(done.out)
    return found


def line(project: str, store: str, size: int, limit: int | None, images: int) -> dict[str, object]:
    return {"project": project, "store": store, "size": size, "held": 0, "limit": limit, "images": images, "uploads": 0}


def test_every_account_is_shown_with_its_limit(service: ServiceProcess, shop: Shop) -> None:
    default = [
        line("default", "", 12, QUOTA, 2), line("default", "fast", 5, None, 1), line("default", "slow", 7, 50, 1)
    ]  # fmt: skip
    stores = [line("", "fast", 5, None, 1), line("", "slow", 7, None, 1)]
    assert run(service, shop, "usage") == [*stores, line("another", "", 0, QUOTA, 1), *default]
    assert run(service, shop, "usage", "--project", "default") == default


def test_recomputed_usage_is_compared_and_put_right(service: ServiceProcess, shop: Shop) -> None:
    assert run(service, shop, "usage", "--recompute") == []
    with sqlite3.connect(service.catalog.database) as database:
        database.execute("UPDATE quota_accounts SET used_bytes = 99 WHERE owner = 'default' AND store = ''").close()
    database.close()
    (found,) = run(service, shop, "usage", "--recompute", status=1)
    assert (found["project"], found["size"], found["true_size"]) == ("default", 99, 12)
    assert run(service, shop, "usage", "--recompute", "--fix") == [found]
    assert run(service, shop, "usage", "--recompute") == []
    assert run(service, shop, "usage", "--project", "default")[0]["size"] == 12


def test_revision_of_the_tables_is_shown(service: ServiceProcess, shop: Shop) -> None:
    rows = run(service, shop, "db", "current")
    assert [row["part"] for row in rows] == ["catalog", "ledger"]
    assert [row["revision"] for row in rows] == [row["needed"] for row in rows]


@pytest.mark.long
def test_contained_a_database_that_hangs_ends_db(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mysql://user:password@127.0.0.1:{silent.getsockname()[1]}/name"
        shop.file("hung.conf", f"[imgstore]\nenabled_stores = a:memory\n[service]\ndatabase = {url}\n".encode())
        (shop.root / "hung.conf").chmod(0o640)
        processes = [shop.spawn("db", action, "--config-file", "hung.conf") for action in ("current", "upgrade")]
        for process in processes:
            _, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 5, err
