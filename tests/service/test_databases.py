"""The service on a database that several processes share: prepared by the operator, its password told to nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.cli.support import Done, run_here
from tests.image_api.odd_requests import ODD, answers
from tests.support.database_fixtures import SERVER_KINDS, Servers
from tests.support.databases import DatabaseServer
from tests.support.service import ServiceProcess

PASSWORD = "hunter2@the:secret/"
USERS = {
    "postgresql": ("CREATE ROLE imgstore SUPERUSER LOGIN PASSWORD '{}'",),
    "mariadb": ("CREATE USER imgstore@localhost IDENTIFIED BY '{}'", "GRANT ALL ON *.* TO imgstore@localhost"),
}
DROP = {"postgresql": "DROP ROLE imgstore", "mariadb": "DROP USER imgstore@localhost"}


@pytest.fixture(params=SERVER_KINDS)
def server(request: pytest.FixtureRequest, servers: Servers) -> Iterator[DatabaseServer]:
    """A server with the user `imgstore`, who has a password."""
    running = servers[request.param]
    for statement in USERS[request.param]:
        running.execute(statement.format(PASSWORD))
    yield running
    running.execute(DROP[request.param])


@pytest.fixture
def address(server: DatabaseServer) -> Iterator[str]:
    """An empty database, with the user and the password, as an operator writes it."""
    with server.database() as url:
        yield _plain(url.set(username="imgstore", password=PASSWORD))


def _plain(url: sa.URL) -> str:
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False)


def service(root: Path, address: str) -> ServiceProcess:
    root.mkdir(exist_ok=True)
    return ServiceProcess(root, options={"service": {"database": address}})


def db(stopped: ServiceProcess, action: str) -> Done:
    arguments = ["db", action, "--config-file", str(stopped.configuration), "-f", "csv"]
    return run_here(stopped.root, os.environ, arguments)


def test_service_starts_after_the_upgrade_and_not_before(tmp_path: Path, address: str) -> None:
    stopped = service(tmp_path / "a", address)
    line = stopped.refusal()
    assert "[service] database" in line
    assert "Run 'imgstore db upgrade'" in line
    before, upgraded, after = db(stopped, "current"), db(stopped, "upgrade"), db(stopped, "current")
    assert (before.status, upgraded.status, after.status) == (0, 0, 0)
    assert b',"-",' in before.out
    assert upgraded.out == after.out
    assert b',"-",' not in after.out
    told = line + "".join(done.out.decode() + done.err for done in (before, upgraded, after))
    assert "hunter2" not in told


def test_two_services_share_one_catalog_and_start_beside_each_other(tmp_path: Path, address: str) -> None:
    first = service(tmp_path / "a", address)
    assert db(first, "upgrade").status == 0
    with first:
        image_id = first.client.create(tags=["t"])
        with first.client.begin_upload(image_id, length=8) as upload:
            upload.send(b"half")
            with service(tmp_path / "b", address) as second:
                shown = second.client.show(image_id)
                assert (shown["tags"], shown["status"]) == (["t"], "saving"), "its start ends no upload of the first"
                assert second.client.upload(image_id, b"other").status == 409
                upload.send(b"half")
                assert upload.answer().status == 204
                assert second.client.show(image_id)["status"] == "active"
                assert first.client.download(image_id).body == b"halfhalf"
                assert first.client.delete(image_id).status == 204
                assert second.client.request("GET", f"/v2/images/{image_id}").status == 404
                assert first.objects() == []
    for log in (first.log, tmp_path / "b" / "service.log"):
        assert "hunter2" not in log.read_text()


def test_wrong_name_user_or_password_is_a_mistake_that_no_retry_mends(tmp_path: Path, address: str) -> None:
    for right, wrong in (("test_", "none_"), ("hunter2", "hunter3"), ("imgstore:", "nobody:")):
        stopped = service(tmp_path / "a", address.replace(right, wrong))
        line = stopped.refusal(status=2)
        assert "[service] database" in line
        assert "Correct user, password or name" in line
        asked = db(stopped, "current")
        assert asked.status == 1
        assert "hunter" not in line + asked.err


def test_odd_requests_are_the_clients_fault_on_every_database(tmp_path: Path, address: str) -> None:
    stopped = service(tmp_path / "a", address)
    assert db(stopped, "upgrade").status == 0
    with stopped:
        assert answers(stopped.client) == ODD
    assert "Traceback" not in stopped.log.read_text()
