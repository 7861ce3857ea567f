"""Keystone's side of the service without a Keystone: what stops the start, and what is answered when it is down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.client import OCTETS, first_line, read_answer
from tests.support.nowhere import refusing_address
from tests.support.service import Options, ServiceProcess

CHALLENGE = "http://keystone.example.org/v3"


def section(**changed: object) -> dict[str, object]:
    """A [keystone_authtoken] whose Keystone nobody is."""
    url = f"http://{refusing_address()}/v3"
    values = {
        "www_authenticate_uri": CHALLENGE, "auth_type": "password", "auth_url": url, "username": "imgstore",
        "password": "hunter2", "project_name": "service", "user_domain_id": "default",
        "project_domain_id": "default", "http_request_max_retries": 0,
    }  # fmt: skip
    return {name: value for name, value in {**values, **changed}.items() if value is not None}


def with_keystone(**changed: object) -> Options:
    """The options of a service with that section."""
    return {"service": {"auth": "keystone"}, "keystone_authtoken": section(**changed)}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service whose Keystone is down; it starts all the same."""
    with ServiceProcess(tmp_path_factory.mktemp("gate"), options=with_keystone()) as running:
        yield running


def test_keystone_that_is_down_is_503_and_never_401(service: ServiceProcess) -> None:
    answer = service.client.bearing("some-token").get("/v2/images", Accept="application/json")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert answer.json()["code"] == "identity-unavailable"
    assert service.client.get("/healthcheck").status == 200


def test_request_without_a_token_is_401_before_a_byte_is_read(service: ServiceProcess) -> None:
    headers = {**OCTETS, "Expect": "100-continue", "Content-Length": "1000000"}
    with service.client.connect("PUT", "/v2/images/x/file", headers) as connection:
        assert not first_line(connection).startswith(b"HTTP/1.1 100")
        answer = read_answer(connection)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, f'Keystone uri="{CHALLENGE}"')


def test_every_path_that_is_not_open_by_name_needs_a_token(service: ServiceProcess) -> None:
    paths = ("/v2/images", "/v2/images/", "/v2//", "/healthcheck/", "/metrics/x", "/nowhere")
    assert {service.client.get(path).status for path in paths} == {401}
    assert {service.client.get(path).status for path in ("/", "/v2", "/v1", "/v3/images")} == {300}


def test_password_of_the_service_is_never_logged(service: ServiceProcess) -> None:
    service.client.bearing("a-token-of-somebody").get("/v2/images")
    log = service.log.read_text()
    assert "Unable to validate token" in log
    assert "hunter2" not in log
    assert "a-token-of-somebody" not in log


MISTAKES: tuple[tuple[Mapping[str, object], str], ...] = (
    ({"auth_type": None}, "auth_type: is not set"), ({"auth_type": "pasword"}, "auth_type"),
    ({"auth_url": None}, "auth-url"), ({"www_authenticate_uri": None}, "www_authenticate_uri: is not set"),
    ({"pasword": "hunter2"}, "pasword: no such option"), ({"token_cache_time": "long"}, "token_cache_time"),
    ({"auth_url": "http://glance:hunter2@localhost/v3"}, "auth-url"),
    ({"www_authenticate_uri": "http://glance:hunter2@localhost/v3"}, "www_authenticate_uri: a user"),
)  # fmt: skip


def test_mistake_in_keystones_section_stops_the_start(tmp_path: Path) -> None:
    for changed, expected in MISTAKES:
        line = ServiceProcess(tmp_path, options=with_keystone(**changed)).refusal()
        assert f"[keystone_authtoken] {expected}" in line
        assert "hunter2" not in line


def test_start_is_tried_again_where_keystone_does_not_tell_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut the service may be up first: systemd starts it again, unless the configuration is wrong."""
    monkeypatch.setattr("oslo_limit.limit._SDK_CONNECTION", None)
    limited = {**section(www_authenticate_uri=None, http_request_max_retries=None), "endpoint_id": "some"}
    stopped = ServiceProcess(tmp_path, options={"service": {"limits": "keystone"}, "oslo_limit": limited})
    line = stopped.refusal(status=5)
    assert "[oslo_limit]: Keystone does not tell the limits" in line
    assert "hunter2" not in line


def test_mistake_in_the_policy_stops_the_start(tmp_path: Path) -> None:
    stopped = ServiceProcess(tmp_path, options={**with_keystone(), "oslo_policy": {"policy_file": "rules.yaml"}})
    assert "[oslo_policy] policy_file: the file rules.yaml is not there" in stopped.refusal()
    for text in ("delete_image: [", '"delete_image": "rule:nowhere"', '"delete_image": "rule:delete_image"'):
        (tmp_path / "rules.yaml").write_text(text)
        assert "[oslo_policy] policy_file: cannot be used" in stopped.refusal()


def test_section_of_keystone_has_no_effect_without_keystone(tmp_path: Path) -> None:
    turned_off = ServiceProcess(tmp_path, options={**with_keystone(), "service": {"auth": "noauth"}})
    with turned_off as running:
        assert running.client.of("some-project").get("/v2/images").status == 200


def test_unknown_way_to_authenticate_stops_the_start(tmp_path: Path) -> None:
    assert "[service] auth" in ServiceProcess(tmp_path, options={"service": {"auth": "trust"}}).refusal()
