"""The examples are run as a reader would run them, and used over real HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.examples.hosts import EXAMPLES, FASTAPI, THREADS, Host, Server, file_of
from tests.support.client import read_answer
from tests.support.waiting import until

HOSTS = {"django": Server.django(*THREADS), "fastapi": FASTAPI, "paste": Server.paste(*THREADS)}
DATA = os.urandom(1_000_007)
LONGEST = 150
OF_STORAGE = 40
"""Lines of a whole host, and of those that bring storage, quota and recovery."""


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Each example, started once."""
    with Host(HOSTS[request.param], tmp_path_factory.mktemp("host"), PROJECT_QUOTA=100_000_000) as host:
        yield host


@pytest.mark.parametrize("name", HOSTS)
def test_an_example_can_be_read_in_one_sitting(name: str) -> None:
    files = {path.name: path.read_text() for path in (EXAMPLES / f"{name}_host").iterdir() if path.is_file()}
    table = files["models.py"].partition("class Table:")[2]
    assert sum(text.count("\n") for text in files.values()) < LONGEST
    assert files["storage.py"].count("\n") + table.count("\n") <= OF_STORAGE


def test_an_image_comes_out_as_it_went_in(host: Host) -> None:
    for body in (DATA, iter([DATA[:1000], DATA[1000:]])):
        image_id = host.create()
        assert host.request("GET", file_of(image_id)).status == 204
        assert host.upload(image_id, body).status == 204
        assert host.request("GET", file_of(image_id)).body == DATA
        part = host.request("GET", file_of(image_id), Range="bytes=5-9")
        assert (part.status, part.body) == (206, DATA[5:10])
        assert host.request("HEAD", file_of(image_id)).headers["content-length"] == str(len(DATA))
        assert host.upload(image_id, DATA).status == 409


def test_what_belongs_to_somebody_else_is_not_there(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = host.create()
    monkeypatch.setattr(host, "token", "open sesame")
    assert host.upload(image_id, DATA).status == 404
    assert host.request("GET", file_of(image_id)).status == 404
    assert host.request("DELETE", f"/v2/images/{image_id}").status == 404


def test_a_request_without_a_token_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = host.create()
    monkeypatch.setattr(host, "token", "guessed")
    for answer in (host.request("POST", "/v2/images"), host.upload(image_id, DATA)):
        assert (answer.status, "X-Auth-Token" in answer.body.decode()) == (401, True)


def test_held_quota_is_set_aside_for_all_processes_before_the_body(host: Host) -> None:
    first, second = host.create(), host.create()
    with host.begin(first, length=60_000_000) as upload:
        until(lambda: host.usage()[1] == 60_000_000)  # gunicorn asks for the body before the host begins
        with host.connect(second, length=60_000_000) as connection:
            assert read_answer(connection).status == 413
        upload.close()
    until(lambda: (host.usage()[1], host.statuses()[first]) == (0, "queued"))


def test_undone_an_upload_that_breaks_leaves_nothing_and_can_be_tried_again(host: Host) -> None:
    image_id, objects = host.create(), len(host.stored())
    with host.begin(image_id, length=None) as upload:
        upload.send(DATA)
        until(lambda: host.statuses()[image_id] == "saving")  # as above
        assert host.upload(image_id, DATA).status == 409
        upload.reset()
    until(lambda: host.statuses()[image_id] == "queued")
    assert (host.upload(image_id, DATA).status, len(host.stored())) == (204, objects + 1)


def test_a_deleted_image_leaves_store_and_quota(host: Host) -> None:
    image_id, before = host.create(), host.usage()
    assert host.upload(image_id, DATA).status == 204
    assert host.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert host.request("GET", file_of(image_id)).status == 404
    until(lambda: (host.usage(), image_id in host.stored()) == (before, False))


def test_an_upload_under_way_keeps_its_lease(host: Host) -> None:
    image_id = host.create()
    with host.begin(image_id, length=None) as upload:
        begun = until(lambda: host.record(image_id))
        until(lambda: host.record(image_id) != begun)
        upload.send(DATA)
        assert upload.finish().status == 204


def test_a_host_that_is_stopped_lets_its_upload_end(host: Host) -> None:
    """The last test: nothing asks the host afterwards."""
    image_id, (used, _) = host.create(), host.usage()
    with host.begin(image_id, length=None) as upload:
        upload.send(DATA)
        host.terminate()
        assert upload.finish().status == 204
        host.wait()
        assert (host.stored()[image_id], host.usage()) == (len(DATA), (used + len(DATA), 0))
