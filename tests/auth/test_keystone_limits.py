"""Unified limits of a real Keystone: read with Glance's names, held by the ledger, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from oslo_config.cfg import ConfigOpts

from imgstore.limits import NO_LIMITS, Allowance
from imgstore.model import MIB
from imgstore.service.auth import identity, unified_limits
from imgstore.service.auth.unified_limits import UnifiedLimits
from tests.support.client import Client
from tests.support.keystone import Endpoint, Keystone
from tests.support.service import Options, ServiceProcess

LIMITS = {"image_size_total": 2, "image_count_total": 3, "image_count_uploading": 1}


@pytest.fixture(scope="module")
def endpoint(keystone: Keystone) -> Endpoint:
    """Where the image service is said to be: limits are an endpoint's."""
    return keystone.offer("image", "http://127.0.0.1:1")


@pytest.fixture(scope="module")
def registered(keystone: Keystone, endpoint: Endpoint) -> Mapping[str, str]:
    """The identifiers of the limits; the project `two` has a larger number of images."""
    made = {name: keystone.register_limit(endpoint, name, limit) for name, limit in LIMITS.items()}
    keystone.limit_project(endpoint, "two", "image_count_total", 5)
    return made


@pytest.fixture(scope="module")
def service(
    keystone: Keystone, endpoint: Endpoint, registered: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """A service that asks for the limits each time."""
    with ServiceProcess(tmp_path_factory.mktemp("service"), options=options(keystone, endpoint)) as running:
        yield running


def options(keystone: Keystone, endpoint: Endpoint, **more: object) -> Options:
    section = keystone.section()
    for name in ("www_authenticate_uri", "interface", "token_cache_time", "http_request_max_retries"):
        del section[name]
    del section["http_connect_timeout"]
    return {
        "service": {"auth": "keystone", "limits": "keystone", "limits_age": 0},
        "keystone_authtoken": keystone.section(),
        "oslo_limit": {**section, "endpoint_id": endpoint.endpoint_id, "valid_interfaces": "public", **more},
    }


def member(keystone: Keystone, service: ServiceProcess, project: str) -> Client:
    return service.client.bearing(keystone.token(f"member-{project}", project))


def usage(client: Client) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = client.get("/v2/info/usage").json()["usage"]
    return found


def test_usage_tells_the_limits_of_the_project(keystone: Keystone, service: ServiceProcess) -> None:
    assert {name: found["limit"] for name, found in usage(member(keystone, service, "one")).items()} == LIMITS
    assert usage(member(keystone, service, "two"))["image_count_total"]["limit"] == 5


def test_each_limit_is_held(keystone: Keystone, service: ServiceProcess, registered: Mapping[str, str]) -> None:
    client = member(keystone, service, "one")
    images = [client.create() for _ in range(3)]
    fourth = client.post("/v2/images", {"disk_format": "raw", "container_format": "bare"})
    assert (fourth.status, b"The quota is 3 images, 3 are there" in fourth.body) == (413, True)
    with client.begin_upload(images[0], length=10) as upload:
        upload.send(b"half")
        second = client.upload(images[1], b"data")
        assert (second.status, b"The quota is 1 uploads at a time" in second.body) == (413, True)
        upload.send(b"anhalf")
        assert upload.answer().status == 204
    too_large = client.upload(images[1], bytes(2 * MIB))
    assert (too_large.status, f"The quota is {2 * MIB} bytes, 10 are in use".encode() in too_large.body) == (413, True)
    with client.begin_upload(images[1], length=None) as upload:
        upload.send(bytes(2 * MIB - 9))
        assert upload.finish().status == 413
    assert client.upload(images[1], bytes(2 * MIB - 10)).status == 204
    assert usage(client)["image_size_total"] == {"usage": 2, "limit": 2}
    keystone.change_limit(registered["image_size_total"], 3)
    assert client.upload(images[2], bytes(MIB)).status == 204
    keystone.change_limit(registered["image_size_total"], 2)
    for image_id in images:
        client.delete(image_id)


def test_minus_one_is_no_limit(keystone: Keystone, service: ServiceProcess, registered: Mapping[str, str]) -> None:
    """Of the size: Keystone lets a limit be that projects have one of their own beside."""
    keystone.change_limit(registered["image_size_total"], -1)
    client = member(keystone, service, "one")
    image_id = client.create()
    assert client.upload(image_id, bytes(3 * MIB)).status == 204
    assert usage(client)["image_size_total"] == {"usage": 3, "limit": -1}
    keystone.change_limit(registered["image_size_total"], 2)
    client.delete(image_id)


# oslo.limit asks openstacksdk in a way that it warns of.
@pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning")
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"endpoint_id": "nowhere"}, "[oslo_limit]: the limits cannot be read"),
        ({"auth_type": "nosuch"}, "[oslo_limit] auth_type: there is no 'nosuch'"),
        ({"no_such_option": 1}, "[oslo_limit] no_such_option"),
        ({"password": "hunter2"}, "[oslo_limit]: the limits cannot be read"),
    ],
)
def test_bad_options_stop_the_start(
    keystone: Keystone,
    endpoint: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, object],
    expected: str,
) -> None:
    monkeypatch.setattr("oslo_limit.limit._SDK_CONNECTION", None)  # which it keeps for the process
    line = ServiceProcess(tmp_path, options=options(keystone, endpoint, **more)).refusal()
    assert expected in line
    assert "hunter2" not in line


def test_last_limits_hold_while_keystone_is_away(
    keystone: Keystone, endpoint: Endpoint, registered: Mapping[str, str], tmp_path: Path
) -> None:
    """Callers are taken at their word here, since their tokens could not be checked."""
    found = options(keystone, endpoint)
    settings = {**found, "service": {"limits": "keystone", "limits_age": 0}}
    with ServiceProcess(tmp_path, options=settings) as service:
        client = service.client.of(keystone.project("one"))
        image_id = client.create()
        keystone.stop()
        assert client.upload(image_id, bytes(2 * MIB)).status == 204
        stranger = service.client.of("another").post("/v2/images", {"name": "x"})
        assert (stranger.status, b"The limits are not known" in stranger.body) == (503, True)
        keystone.start()


def test_bounded_memory_of_many_projects_those_asked_for_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(limits: UnifiedLimits, owner: str) -> Allowance:
        asked.append(owner)
        return Allowance()

    monkeypatch.setattr(unified_limits, "MANY", 3)
    monkeypatch.setattr(unified_limits, "_publish", lambda conf: None)
    monkeypatch.setattr("oslo_limit.limit.Enforcer", MagicMock())
    monkeypatch.setattr(UnifiedLimits, "_ask", ask)
    limits = UnifiedLimits(ConfigOpts(), others=NO_LIMITS, age=1000)
    for project in "abcdda":
        limits.project(project)
    assert asked == list("abcda")


def test_answer_that_is_none_of_keystones_tells_no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's page, or JSON of another kind: it is Keystone that is away, and the last limits hold."""
    enforcer = MagicMock()
    monkeypatch.setattr(unified_limits, "_publish", lambda conf: None)
    monkeypatch.setattr("oslo_limit.limit.Enforcer", lambda *_, **__: enforcer)
    limits = UnifiedLimits(ConfigOpts(), others=NO_LIMITS, age=0)
    enforcer.get_registered_limits.side_effect = [[("image_count_total", 3)], ValueError("a page"), KeyError("limits")]
    enforcer.get_project_limits.return_value = []
    assert [limits.project("one").images for _ in range(3)] == [3, 3, 3]
    enforcer.get_registered_limits.side_effect = TypeError("a list")
    with pytest.raises(identity.IdentityUnavailable):
        limits.project("two")
