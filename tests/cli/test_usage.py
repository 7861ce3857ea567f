"""`imgstore usage` and `imgstore db` on the service's own database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.cli.support import PROGRAM
from tests.support.service import ServiceProcess

QUOTA = 100


@pytest.fixture
def stopped(tmp_path: Path) -> ServiceProcess:
    """A service that had two images of 5 and 7 bytes of one project, and one queued of another."""
    service = ServiceProcess(tmp_path, options={"imgstore": {"project_quota": QUOTA}, "slow": {"project_quota": 50}})
    with service:
        for size, store in ((5, None), (7, "slow")):
            service.client.upload(service.client.create(), bytes(size), store=store)
        service.client.of("another").create()
    return service


def run(service: ServiceProcess, *arguments: str, status: int = 0) -> list[dict[str, object]]:
    command = [PROGRAM, *arguments, "--config-file", str(service.configuration), "--data-dir", str(service.root)]
    done = subprocess.run([*command, "-f", "json"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (status, "")
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def line(project: str, store: str, size: int, limit: int | None, images: int) -> dict[str, object]:
    return {"project": project, "store": store, "size": size, "held": 0, "limit": limit, "images": images, "uploads": 0}


def test_every_account_is_shown_with_its_limit(stopped: ServiceProcess) -> None:
    default = [
        line("default", "", 12, QUOTA, 2), line("default", "fast", 5, None, 1), line("default", "slow", 7, 50, 1)
    ]  # fmt: skip
    stores = [line("", "fast", 5, None, 1), line("", "slow", 7, None, 1)]
    assert run(stopped, "usage") == [*stores, line("another", "", 0, QUOTA, 1), *default]
    assert run(stopped, "usage", "--project", "default") == default


def test_recomputed_usage_is_compared_and_put_right(stopped: ServiceProcess) -> None:
    assert run(stopped, "usage", "--recompute") == []
    with sqlite3.connect(stopped.catalog.database) as database:
        database.execute("UPDATE quota_accounts SET used_bytes = 99 WHERE owner = 'default' AND store = ''").close()
    database.close()
    (found,) = run(stopped, "usage", "--recompute", status=1)
    assert (found["project"], found["size"], found["true_size"]) == ("default", 99, 12)
    assert run(stopped, "usage", "--recompute", "--fix") == [found]
    assert run(stopped, "usage", "--recompute") == []
    assert run(stopped, "usage", "--project", "default")[0]["size"] == 12


def test_revision_of_the_tables_is_shown(stopped: ServiceProcess) -> None:
    for row in run(stopped, "db", "current"):
        assert row["revision"] == row["needed"]


@pytest.mark.parametrize("arguments", [["usage", "--fix"], ["db", "downgrade"], ["usage", "-c", "nosuch"]])
def test_what_makes_no_sense_is_refused(stopped: ServiceProcess, arguments: list[str]) -> None:
    command = [PROGRAM, *arguments, "--config-file", str(stopped.configuration)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
