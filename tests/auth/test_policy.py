"""The rules: defaults, a file of the operator over them, and that every door asks (over HTTP, roles in headers)."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg
from oslo_policy import generator

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.service.auth import identity, policy, policy_rules
from imgstore.sql import Caller, ImageRecord, NewImage
from imgstore.store import Store, StoreSet
from tests.support.client import Answer, Client
from tests.support.nowhere import refusing_address
from tests.support.service import LocalService

ROOT = Path(__file__).parent.parent.parent
READING = {"get_images", "get_image", "download_image"}
OF_MEMBERS = {"get_members", "get_member"}
SHARED_WITH_ONE = "shared with one"
ADMINS_ONLY = {"publicize_image", "copy_image", "stores_info_detail"}


def configured(text: str = "", *, root: Path | None = None) -> policy_rules.PolicyRules:
    """The rules, with an operator's file over the defaults."""
    conf = cfg.ConfigOpts()
    conf(args=[], default_config_files=[], default_config_dirs=[])
    conf.register_opts(policy_rules.options(), group=policy_rules.SECTION)
    if root is not None:
        (root / "rules.yaml").write_text(text)
        conf.set_override("policy_file", str(root / "rules.yaml"), group=policy_rules.SECTION)
    return policy_rules.PolicyRules(conf)


def person(made: policy_rules.PolicyRules, roles: str, project: str | None = "one", **headers: str) -> Caller:
    """Whom the headers of keystonemiddleware describe."""
    known = {} if project is None else {"HTTP_X_PROJECT_ID": project}
    return made.caller_of({"HTTP_X_ROLES": roles, "HTTP_X_USER_ID": "user", **known, **headers})


def image(owner: str, visibility: str) -> NewImage:
    if visibility == SHARED_WITH_ONE:
        return ImageRecord("some-image", owner, visibility="shared", member="one")
    return NewImage("some-image", owner, visibility=visibility)


def outcome(caller: Caller, action: str, of: NewImage | None) -> int:
    """The status that a request would have."""
    try:
        policy.enforce(caller, action, of)
    except errors.RequestError as error:
        return error.status
    return 200


def expected(role: str, action: str, owner: str, visibility: str) -> int:
    """What the rules should say, said in another way."""
    if role == "admin":
        return 200
    mine, member = owner == "one", visibility == SHARED_WITH_ONE
    seen = mine or member or visibility in ("public", "community")
    if not seen:
        return 404
    if action in ADMINS_ONLY:
        return 403
    if action in OF_MEMBERS:
        return 200 if mine or member else 403
    if action == "modify_member":
        return 200 if member and role == "member" else 403
    if action == "get_images":
        return 200 if mine else 403
    if action in READING:
        return 200
    return 200 if role == "member" and mine else 403


@pytest.mark.parametrize("role", ["admin", "member", "reader"])
def test_defaults_by_role_owner_and_visibility(role: str) -> None:
    caller = person(configured(), role)
    images = [(owner, seen) for owner in ("one", "two") for seen in ("private", "shared", "community", "public")]
    images.append(("two", SHARED_WITH_ONE))
    for action in policy.ACTIONS:
        found = {pair: outcome(caller, action, image(*pair)) for pair in images}
        assert found == {pair: expected(role, action, *pair) for pair in images}, action


def test_every_action_has_a_rule_and_every_rule_is_asked() -> None:
    assert {rule.name for rule in policy_rules.list_rules()} == policy.ACTIONS | {"context_is_admin"}


def test_unknown_action_is_a_defect_and_lets_nobody_pass() -> None:
    with pytest.raises(errors.UsageError):
        policy.enforce(Caller("one", is_admin=True), "delete_imge", None)


def test_caller_without_a_project_or_a_known_role_may_do_nothing() -> None:
    made = configured()
    for caller in (
        person(made, "", None),
        person(made, "admin", None, HTTP_OPENSTACK_SYSTEM_SCOPE="all"),
        person(made, "admin", None, HTTP_X_DOMAIN_ID="default"),
        person(made, ""),
        person(made, "auditor"),
    ):
        assert not caller.is_admin
        assert {outcome(caller, action, None) for action in policy.ACTIONS} == {403}
        assert {outcome(caller, action, image("one", "public")) for action in policy.ACTIONS} == {404}


def test_file_of_the_operator_comes_over_the_defaults(tmp_path: Path) -> None:
    made = configured('"delete_image": "role:janitor"\n"context_is_admin": "role:boss"\n', root=tmp_path)
    member, janitor, boss = (person(made, role) for role in ("member", "member,janitor", "boss"))
    mine = image("one", "private")
    assert [outcome(caller, "delete_image", mine) for caller in (member, janitor, boss)] == [403, 200, 403]
    assert (boss.is_admin, person(made, "admin").is_admin) == (True, False)


def test_rule_that_asks_a_server_is_asked_once_and_is_503_where_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question inside the catalog's transaction would hold up all others while a server hangs."""
    address = refusing_address()
    text = f'"delete_image": "http://{address}/ask"\n"get_images": "http://{address}/%(name)s"\n'
    made = configured(text, root=tmp_path)
    member, mine = person(made, "member"), image("one", "private")
    with pytest.raises(identity.IdentityUnavailable):
        member.may("delete_image", mine)
    assert outcome(member, "get_images", None) == 403  # the name of no image
    answers = iter([True])
    monkeypatch.setattr("oslo_policy._external.HttpCheck.__call__", lambda *_: next(answers))
    assert [member.may("delete_image", mine) for _ in range(3)] == [True, True, True]


def test_the_sample_is_what_the_generator_makes_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "sample"
    with monkeypatch.context() as patch:
        patch.setattr(logging, "basicConfig", lambda **_: None)  # the generator turns logging on for the whole process
        patch.chdir(ROOT)
        arguments = ["--config-file", "etc/oslo-policy-generator.conf", "--output-file", str(made)]
        generator.generate_sample(arguments, conf=cfg.ConfigOpts())
    assert made.read_text() == (ROOT / "etc" / "policy.yaml.sample").read_text(), (
        "run from the top of the tree: oslopolicy-sample-generator --config-file etc/oslo-policy-generator.conf"
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """A service that believes the headers X-Project-Id and X-Roles, and asks the rules."""
    made = configured()
    stores = StoreSet([Store("main", MemoryDriver()), Store("more", MemoryDriver())], default="main")
    local = LocalService(tmp_path_factory.mktemp("policy"), stores, authenticate=made.caller_of)
    with local.running():
        yield local


class Person(Client):
    """A client with roles."""

    roles = ""

    def _headers(self, headers: Any) -> dict[str, str]:
        return {"X-Roles": self.roles, **super()._headers(headers)}


def somebody(served: LocalService, roles: str, project: str) -> Person:
    made = Person(served.client.url, project=project)
    made.roles = roles
    return made


def put(client: Client, image_id: str, **headers: str) -> Answer:
    return client.upload(image_id, b"data", headers=headers)


def test_upload_is_refused_in_the_order_of_the_image_api(served: LocalService) -> None:
    admin, member = somebody(served, "admin", "two"), somebody(served, "member", "one")
    reader, stranger = somebody(served, "reader", "one"), somebody(served, "member", "three")
    private = member.create(visibility="private", disk_format=None)
    public = admin.create(visibility="public")
    assert put(admin, public).status == 204
    assert put(reader, private, **{"Content-Type": "text/plain"}).status == 415
    assert member.upload(private, b"data", store="nope").status == 400
    assert put(stranger, private).status == 404
    assert put(reader, private).status == 403, "before 400 for its formats"
    assert put(member, public).status == 403, "before 409 for its status"
    assert put(member, private).status == 400
    assert served.catalog.status(private) == "queued"


def test_download_and_delete_are_asked_for(served: LocalService) -> None:
    member, reader = somebody(served, "member", "one"), somebody(served, "reader", "one")
    nobody = somebody(served, "auditor", "one")
    image_id = member.create()
    assert put(member, image_id).status == 204
    assert reader.download(image_id).body == b"data"
    assert nobody.download(image_id).status == 404
    assert reader.delete(image_id).status == 403
    assert member.delete(image_id).status == 204


def test_member_of_an_image_reads_it_and_answers(served: LocalService) -> None:
    owner, member = somebody(served, "member", "one"), somebody(served, "member", "two")
    reader = somebody(served, "reader", "two")
    image_id = owner.create()
    assert put(owner, image_id).status == 204
    assert owner.post(f"/v2/images/{image_id}/members", {"member": "two"}).status == 200
    for each in (member, reader):
        assert each.download(image_id).body == b"data"
        assert each.get(f"/v2/images/{image_id}/members").status == 200
        assert put(each, image_id).status == each.delete(image_id).status == 403
    stranger, body = somebody(served, "member", "three"), b'{"status": "accepted"}'
    for each, status in ((owner, 403), (reader, 403), (stranger, 404), (member, 200)):
        assert each.request("PUT", f"/v2/images/{image_id}/members/two", body=body).status == status
    assert owner.delete(image_id).status == 204


def test_copy_is_asked_for(served: LocalService) -> None:
    member, admin = somebody(served, "member", "one"), somebody(served, "admin", "two")
    image_id = member.create()
    assert put(member, image_id).status == 204
    path, wanted = f"/v2/images/{image_id}/import", {"method": {"name": "copy-image"}, "stores": ["more"]}
    assert somebody(served, "member", "three").post(path, wanted).status == 404
    assert member.post(path, wanted).status == 403
    assert member.show(image_id)["stores"] == "main"
    assert admin.post(path, wanted).status == 202
    assert served.service.copies.wait_until_idle(60)
    assert member.show(image_id)["stores"] == "main,more"
    assert served.service.quota.account("one").used == 8, "at the expense of the image's owner"
    assert member.delete(image_id).status == 204


def test_create_and_publicize_are_asked_for(served: LocalService) -> None:
    reader, member = somebody(served, "reader", "one"), somebody(served, "member", "one")
    assert reader.post("/v2/images", {"name": "x"}).status == 403
    assert member.post("/v2/images", {"name": "x", "visibility": "public"}).status == 403
    assert member.post("/v2/images", {"name": "x", "visibility": "community"}).status == 201
    assert somebody(served, "auditor", "one").get("/v2/images").status == 403


def patched(client: Client, image_id: str, **values: str) -> int:
    """The status of a PATCH."""
    operations = [operation for name, value in values.items() for operation in change(f"/{name}", value)]
    return asked(client, "PATCH", f"/v2/images/{image_id}", operations)


def test_to_make_an_image_public_by_a_change_is_asked_for(served: LocalService) -> None:
    admin, member = somebody(served, "admin", "one"), somebody(served, "member", "one")
    image_id = member.create(visibility="private", name="old")
    assert patched(member, image_id, visibility="public") == 403
    assert patched(member, image_id, name="new", visibility="public") == 403
    assert (member.show(image_id)["visibility"], member.show(image_id)["name"]) == ("private", "old")
    assert patched(member, image_id, visibility="community") == 200
    assert patched(member, image_id, visibility="public") == 403
    assert patched(admin, image_id, visibility="public") == 200
    assert patched(member, image_id, name="new", visibility="public") == 200, "it is public already"
    assert (member.show(image_id)["visibility"], member.show(image_id)["name"]) == ("public", "new")


def change(path: str, value: object) -> list[dict[str, object]]:
    return [{"op": "add", "path": path, "value": value}]


IMAGE = "/v2/images/{id}"
ASKED: Mapping[str, Sequence[tuple[str, str, object]]] = {
    "get_images": [("GET", "/v2/images", None)],
    "get_image": [("GET", IMAGE, None)],
    "add_image": [("POST", "/v2/images", {})],
    "modify_image": [
        ("PATCH", IMAGE, change("/name", "x")), ("PUT", f"{IMAGE}/tags/x", None), ("DELETE", f"{IMAGE}/tags/x", None),
        ("PATCH", IMAGE, change("/visibility", "shared")),
    ],
    "add_member": [("POST", f"{IMAGE}/members", {"member": "two"})],
    "get_members": [("GET", f"{IMAGE}/members", None)],
    "get_member": [("GET", f"{IMAGE}/members/two", None)],
    "modify_member": [("PUT", f"{IMAGE}/members/two", {"status": "accepted"})],
    "delete_member": [("DELETE", f"{IMAGE}/members/two", None)],
    **{
        f"{name}ize_image": [
            ("PATCH", IMAGE, change("/visibility", value)), ("POST", "/v2/images", {"visibility": value}),
        ]
        for name, value in {"public": "public", "communit": "community"}.items()
    },
    "upload_image": [("PUT", f"{IMAGE}/file", b"data")],
    "download_image": [("GET", f"{IMAGE}/file", None)],
    "copy_image": [("POST", f"{IMAGE}/import", {"method": {"name": "copy-image"}, "stores": ["more"]})],
    "delete_image_location": [("DELETE", "/v2/stores/more/{id}", None)],
    "deactivate": [("POST", f"{IMAGE}/actions/deactivate", None)],
    "reactivate": [("POST", f"{IMAGE}/actions/reactivate", None)],
    "stores_info_detail": [("GET", "/v2/info/stores/detail", None)],
    "delete_image": [("DELETE", IMAGE, None)],
}  # fmt: skip


def test_each_request_asks_for_its_action(tmp_path: Path) -> None:
    """It is refused where the rules allow all but this action, and then passes; in the order of an image's life."""
    assert ASKED.keys() == policy.ACTIONS
    rules = [configured()]
    stores = StoreSet([Store("main", MemoryDriver()), Store("more", MemoryDriver())], default="main")
    with LocalService(tmp_path, stores, authenticate=lambda environ: rules[0].caller_of(environ)).running() as served:
        admin = somebody(served, "admin", "one")
        image_id = admin.create(visibility="private")
        for action, requests in ASKED.items():
            for method, path, body in requests:
                rules[0] = configured(f'"{action}": "!"', root=tmp_path)
                assert asked(admin, method, path.format(id=image_id), body) in {403, 404}, (action, method)
                rules[0] = configured()
                assert asked(admin, method, path.format(id=image_id), body) < 300, (action, method)
                assert served.service.copies.wait_until_idle(60)


def asked(client: Client, method: str, path: str, body: object) -> int:
    """The status."""
    kinds = {"PATCH": "application/openstack-images-v2.1-json-patch", "POST": "application/json"}
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    kind = {"Content-Type": kinds.get(method, "application/octet-stream")} if content is not None else {}
    return client.request(method, path, body=content, headers=kind).status


def test_caller_without_a_policy_owns_what_is_theirs() -> None:
    caller = Caller("one")
    assert outcome(caller, "delete_image", image("one", "private")) == 200
    assert outcome(caller, "delete_image", image("two", "public")) == 403
    assert outcome(caller, "get_image", image("two", "public")) == 200
    with contextlib.suppress(errors.Forbidden):
        caller.require("upload_image", image("two", "community"))
        raise AssertionError("somebody else's image")
