"""Clients that connect and say nothing, or say what is not HTTP: the service answers everybody else meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cheroot.connections import ConnectionManager

from imgstore.drivers.memory import MemoryDriver
from imgstore.service.server import connections
from imgstore.store import Store, StoreSet
from tests.support.client import Answer, read_answer
from tests.support.service import LocalService, ServiceProcess


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One thread serves, and a client may stall for an hour."""
    with ServiceProcess(
        tmp_path_factory.mktemp("service"), options={"service": {"threads": 1, "body_timeout": 3600}}
    ) as running:
        yield running


def exchange(service: ServiceProcess, sent: bytes) -> Answer:
    with socket.create_connection(service.client.address, timeout=30) as connection:
        connection.sendall(sent)
        return read_answer(connection)


def test_silent_connections_keep_nobody_out_and_are_served_when_they_speak(service: ServiceProcess) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(service.client.address, timeout=30)) for _ in range(4)]
        assert service.client.upload(service.client.create(), b"content").status == 204
        silent[0].sendall(b"GET /healthcheck HTTP/1.1\r\nHost: test\r\n\r\n")
        assert read_answer(silent[0]).status == 200


def test_descriptors_that_run_out_are_waited_for_and_not_logged_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept: Any = ConnectionManager._from_server_socket  # type: ignore[attr-defined]  # private: missing in the stub
    refusals = [OSError(errno.EMFILE, os.strerror(errno.EMFILE))] * 3

    def refuse_at_first(manager: object, server_socket: object) -> object:
        if refusals:
            raise refusals.pop()
        return accept(manager, server_socket)

    monkeypatch.setattr(ConnectionManager, "_from_server_socket", refuse_at_first)
    pauses: list[float] = []
    monkeypatch.setattr("imgstore.service.server.connections.time.sleep", pauses.append)
    with LocalService(tmp_path, StoreSet([Store("only", MemoryDriver())], default="only")).running() as local:
        assert local.client.get("/healthcheck").status == 200
    monkeypatch.undo()
    assert pauses.count(connections.ACCEPT_PAUSE) == 3, "nothing is tried again at once"
    told = [record for record in caplog.records if record.name == connections.__name__]
    assert [record.exc_info for record in told] == [None] * 3, caplog.text


LINES = (
    b"GET //[ HTTP/1.1", b"GET http://[/ HTTP/1.1", b"GET /v2/im\tages HTTP/1.1", b"GET /v2/images/\0 HTTP/1.1",
    b"GET /v2/images HTTP/1.-5",
)  # fmt: skip


def test_right_blame_malformed_request_line_is_the_clients_fault(service: ServiceProcess) -> None:
    for line in LINES:
        assert exchange(service, line + b"\r\nHost: test\r\n\r\n").status == 400, line
    assert "Traceback" not in service.log.read_text()


def test_exact_a_body_that_ends_with_its_connection_is_not_taken_for_an_empty_one(service: ServiceProcess) -> None:
    image_id = service.client.create()
    head = f"PUT /v2/images/{image_id}/file HTTP/1.0\r\nContent-Type: application/octet-stream\r\n\r\n"
    assert exchange(service, head.encode() + b"content").status == 411
    assert service.client.show(image_id)["status"] == "queued"
    assert service.client.upload(image_id, b"content").status == 204


def test_project_with_a_blank_that_is_not_ascii_is_not_the_project_without(service: ServiceProcess) -> None:
    image_id = service.client.of("alice").create()
    head = f"GET /v2/images/{image_id} HTTP/1.1\r\nHost: test\r\nX-Project-Id: alice".encode() + b"\xa0\r\n\r\n"
    assert exchange(service, head).status == 400


def test_json_of_any_depth_is_the_clients_fault(service: ServiceProcess) -> None:
    """Somewhere there is a depth that can just be read, but not be written into a message."""
    for depth in range(900, 1010):
        body = b'{"name": ' + b"[" * depth + b"]" * depth + b"}"
        assert service.client.request("POST", "/v2/images", body=body).status == 400, depth
    assert "Traceback" not in service.log.read_text()
