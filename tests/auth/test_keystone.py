"""Tokens and policy on a real Keystone, over real HTTP: 401, 403 and 404 where the Image API has them, nothing left."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.client import OCTETS, Answer, Client, first_line, read_answer
from tests.support.keystone import Keystone
from tests.support.service import Options, ServiceProcess

CONTENT = b"what is uploaded" * 64
SHORT_LIFE = 6
PATIENCE = 60.0


@pytest.fixture(scope="module")
def service(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The service that asks it, in its catalog."""
    options: Options = {"service": {"auth": "keystone"}, "keystone_authtoken": keystone.section()}
    with ServiceProcess(tmp_path_factory.mktemp("service"), options=options) as running:
        keystone.offer("image", running.client.url)
        yield running


@pytest.fixture
def people(keystone: Keystone, service: ServiceProcess) -> Mapping[str, Client]:
    """Clients by the names of their users."""
    users = ("member-one", "reader-one", "member-two", "admin-two")
    return {user: service.client.bearing(keystone.token(user, user.partition("-")[2])) for user in users}


def assert_401(answer: Answer, keystone: Keystone) -> None:
    """Not authenticated, and told where to get a token."""
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == f'Keystone uri="{keystone.url}"'
    assert answer.headers["x-openstack-request-id"].startswith("req-")


def put_headers(client: Client, image_id: str) -> Answer:
    """The answer to a PUT that waits for 100 Continue, which must not come."""
    headers = {**OCTETS, "Expect": "100-continue", "Content-Length": "1000000"}
    with client.connect("PUT", f"/v2/images/{image_id}/file", headers) as connection:
        assert not first_line(connection).startswith(b"HTTP/1.1 100")
        return read_answer(connection)


@pytest.mark.parametrize("token", [None, "garbage", "gAAAAABm" + "x" * 200, ""])
def test_no_token_and_garbage_are_401_before_a_byte_is_read(
    keystone: Keystone, service: ServiceProcess, people: Mapping[str, Client], token: str | None
) -> None:
    image_id = people["member-one"].create()
    stranger = service.client.bearing(token)
    for path in ("/v2/images", f"/v2/images/{image_id}", f"/v2/images/{image_id}/file", "/v2/nowhere"):
        assert_401(stranger.get(path), keystone)
    assert_401(put_headers(stranger, image_id), keystone)
    assert_401(stranger.delete(image_id), keystone)
    assert people["member-one"].show(image_id)["status"] == "queued"


def test_headers_of_a_client_do_not_make_it_somebody(
    keystone: Keystone, service: ServiceProcess, people: Mapping[str, Client]
) -> None:
    claims = {
        "X-Project-Id": keystone.project("one"), "X-Roles": "admin", "X-Identity-Status": "Confirmed",
        "X-User-Id": "somebody", "X-Is-Admin-Project": "True",
    }  # fmt: skip
    image_id = people["member-one"].create()
    assert_401(service.client.request("GET", f"/v2/images/{image_id}", headers=claims), keystone)
    assert people["member-two"].request("GET", f"/v2/images/{image_id}", headers=claims).status == 404
    assert people["reader-one"].request("DELETE", f"/v2/images/{image_id}", headers=claims).status == 403


def test_versions_health_and_metrics_need_no_token(service: ServiceProcess) -> None:
    statuses = {path: service.client.get(path).status for path in ("/", "/versions", "/healthcheck", "/metrics")}
    assert statuses == {"/": 300, "/versions": 200, "/healthcheck": 200, "/metrics": 200}


def test_revoked_token_is_401(keystone: Keystone, service: ServiceProcess) -> None:
    token = keystone.token("member-one", "one")
    client = service.client.bearing(token)
    image_id = client.create()
    keystone.revoke(token)
    assert_401(client.get("/v2/images"), keystone)
    assert_401(put_headers(client, image_id), keystone)
    assert service.catalog.status(image_id) == "queued"


def test_token_revoked_during_an_upload_ends_nothing_that_began(
    keystone: Keystone, service: ServiceProcess, people: Mapping[str, Client]
) -> None:
    token = keystone.token("member-one", "one")
    client = service.client.bearing(token)
    image_id = client.create()
    with client.begin_upload(image_id, length=8) as upload:
        upload.send(b"half")
        keystone.revoke(token)
        upload.send(b"more")
        assert upload.finish().status == 204
    assert_401(client.get(f"/v2/images/{image_id}"), keystone)
    assert people["member-one"].download(image_id).body == b"halfmore"
    assert people["member-one"].delete(image_id).status == 204
    assert image_id not in service.objects() + service.leftovers()


def test_token_expired_during_an_upload_leaves_an_image_or_nothing(
    keystone: Keystone, service: ServiceProcess, people: Mapping[str, Client], tmp_path: Path
) -> None:
    owner = people["member-one"]
    whole, broken = owner.create(), owner.create()
    with Keystone(tmp_path, data=keystone.root, expiration=SHORT_LIFE) as hurried:
        client = service.client.bearing(hurried.token("member-one", "one"))
    with client.begin_upload(whole, length=8) as first, client.begin_upload(broken, length=8) as second:
        first.send(b"half")
        second.send(b"half")
        _wait_for_401(client)
        first.send(b"more")
        assert first.finish().status == 204
        assert second.end_side().status == 400
    assert_401(client.get("/v2/images"), keystone)
    assert [service.catalog.status(image_id) for image_id in (whole, broken)] == ["active", "queued"]
    assert (whole in service.objects(), broken in service.objects(), service.leftovers()) == (True, False, [])
    assert owner.upload(broken, b"retry").status == 204


def _wait_for_401(client: Client) -> None:
    """Until Keystone's clock has passed the token's end: nothing tells, so it is asked twice a second."""
    pause, until = threading.Event(), time.monotonic() + PATIENCE
    while client.get("/v2/images").status != 401:
        assert time.monotonic() < until
        pause.wait(0.5)


def test_owner_does_everything_with_an_image(people: Mapping[str, Client], keystone: Keystone) -> None:
    owner = people["member-one"]
    image_id = owner.create(name="mine")
    assert owner.upload(image_id, CONTENT).status == 204
    assert owner.show(image_id)["owner"] == keystone.project("one")
    assert owner.download(image_id).body == CONTENT
    assert owner.delete(image_id).status == 204
    assert owner.get(f"/v2/images/{image_id}").status == 404


def test_reader_reads_and_is_403_on_every_write(service: ServiceProcess, people: Mapping[str, Client]) -> None:
    owner, reader = people["member-one"], people["reader-one"]
    full, queued = owner.create(), owner.create()
    assert owner.upload(full, CONTENT).status == 204
    assert reader.show(full)["status"] == "active"
    assert reader.download(full).body == CONTENT
    assert full in {image["id"] for image in reader.get("/v2/images").json()["images"]}
    assert reader.post("/v2/images", {"name": "not mine"}).status == 403
    assert put_headers(reader, queued).status == 403
    assert reader.delete(full).status == 403
    assert (service.catalog.status(full), service.catalog.status(queued)) == ("active", "queued")
    assert owner.upload(queued, b"retry").status == 204


def test_image_of_another_project_is_404(service: ServiceProcess, people: Mapping[str, Client]) -> None:
    owner, other = people["member-one"], people["member-two"]
    image_id = owner.create(visibility="private", disk_format=None)
    for answer in (other.get(f"/v2/images/{image_id}"), other.download(image_id), other.delete(image_id)):
        assert answer.status == 404
    assert put_headers(other, image_id).status == 404, "404 comes before 403, before 400 for the formats"
    assert image_id not in {image["id"] for image in other.get("/v2/images").json()["images"]}
    assert service.catalog.status(image_id) == "queued"


def test_public_image_of_another_project_is_read_and_403_on_writes(people: Mapping[str, Client]) -> None:
    owner, admin, other = people["member-one"], people["admin-two"], people["member-two"]
    image_id = admin.create(visibility="public")
    assert admin.upload(image_id, CONTENT).status == 204
    assert owner.show(image_id)["visibility"] == "public"
    assert owner.download(image_id).body == CONTENT
    assert put_headers(owner, image_id).status == 403, "403 comes before 409 for its status"
    assert owner.delete(image_id).status == 403
    assert other.delete(image_id).status == 204, "admin-two and member-two have the same project"


def test_admin_does_everything(service: ServiceProcess, people: Mapping[str, Client]) -> None:
    image_id = people["member-one"].create(visibility="private")
    admin = people["admin-two"]
    assert admin.upload(image_id, CONTENT).status == 204
    assert admin.download(image_id).body == CONTENT
    assert admin.delete(image_id).status == 204
    assert image_id not in service.objects()


def test_token_of_no_project_does_nothing(
    keystone: Keystone, service: ServiceProcess, people: Mapping[str, Client]
) -> None:
    image_id = people["member-one"].create()
    for token in (keystone.unscoped_token("member-one"), keystone.system_token()):
        client = service.client.bearing(token)
        assert client.get("/v2/images").status == 403
        assert client.post("/v2/images", {"name": "nobody's"}).status == 403
        assert client.get(f"/v2/images/{image_id}").status == 404


def run(keystone: Keystone, *command: str, cwd: Path, pipe: Path | None = None) -> str:
    """What a client prints, as the member of project one; `pipe` is its standard input."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **keystone.variables("member-one", "one")}
    done = subprocess.run(
        [keystone.program(command[0]), *command[1:]], input=b"" if pipe is None else pipe.read_bytes(),
        capture_output=True, timeout=120, cwd=cwd, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


FORMATS = ("--disk-format", "raw", "--container-format", "bare")


def test_openstack_client_with_a_password(keystone: Keystone, service: ServiceProcess, tmp_path: Path) -> None:
    def openstack(*words: str, pipe: Path | None = None) -> str:
        return run(keystone, "openstack", "image", *words, cwd=tmp_path, pipe=pipe)

    (tmp_path / "up").write_bytes(CONTENT)
    image_id = openstack("create", *FORMATS, "--file", "up", "by-openstack", "-f", "value", "-c", "id")
    assert openstack("show", image_id, "-f", "value", "-c", "status") == "active"
    openstack("save", "--file", "down", image_id)
    assert (tmp_path / "down").read_bytes() == CONTENT
    openstack("delete", image_id)
    assert image_id not in service.objects()


def test_glance_client_with_a_password(keystone: Keystone, service: ServiceProcess, tmp_path: Path) -> None:
    def glance(*words: str, pipe: Path | None = None) -> str:
        return run(keystone, "glance", *words, cwd=tmp_path, pipe=pipe)

    (tmp_path / "up").write_bytes(CONTENT)
    glance("image-create", *FORMATS, "--name", "in-slow", "--store", "slow", pipe=tmp_path / "up")
    (line,) = [line for line in glance("image-list").splitlines() if "in-slow" in line]
    in_slow = line.split("|")[1].strip()
    assert in_slow in service.objects("slow")
    glance("image-download", "--file", "down", in_slow)
    assert (tmp_path / "down").read_bytes() == CONTENT
    glance("image-delete", in_slow)
    assert in_slow not in service.objects()


SDK = """
import openstack

images = openstack.connect().image
for store in (None, "slow"):
    images.additional_headers = {} if store is None else {"X-Image-Meta-Store": store}
    image = images.create_image(
        "library", filename="up", disk_format="raw", container_format="bare", wait=True, validate_checksum=True
    )
    assert image.status == "active", image
    assert [each.id for each in images.images(name="library")] == [image.id]
    assert images.download_image(image, stream=False).content == open("up", "rb").read()
    images.update_image(image, name="renamed", tags=["a"])
    assert images.get_image(image.id).name == "renamed"
    images.deactivate_image(image)
    assert images.get_image(image.id).status == "deactivated"
    images.reactivate_image(image)
    print(image.id, images.get(f"/images/{image.id}").json()["stores"])
    images.delete_image(image)
    assert images.find_image(image.id) is None
"""


def test_openstacksdk_with_a_password(keystone: Keystone, service: ServiceProcess, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(CONTENT)
    (tmp_path / "sdk.py").write_text(SDK)
    told = run(keystone, "python", "sdk.py", cwd=tmp_path).split()
    assert (told[1], told[3]) == ("fast", "slow")
    assert not {told[0], told[2]} & set(service.objects())
