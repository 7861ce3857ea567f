"""Tags one by one, deactivation, deletion from one store."""

from __future__ import annotations

import urllib.parse

from tests.image_api.conftest import Local
from tests.support.client import Answer, Client, new_id


def tag(client: Client, method: str, image_id: str, name: str) -> Answer:
    return client.request(method, f"/v2/images/{image_id}/tags/{urllib.parse.quote(name)}")


def act(client: Client, action: str, image_id: str) -> Answer:
    return client.request("POST", f"/v2/images/{image_id}/actions/{action}")


def test_tag_is_added_once_and_removed_once(client: Client) -> None:
    image_id = client.create(tags=["a"])
    for name in ("new", "with blank", "n\u00e4me", "100%", "a:b,c", "x" * 255):
        assert [tag(client, "PUT", image_id, name).status for _ in range(2)] == [204, 204]
        assert client.show(image_id)["tags"] == sorted(["a", name])
        assert [tag(client, "DELETE", image_id, name).status for _ in range(2)] == [204, 404]
        assert client.show(image_id)["tags"] == ["a"]


def test_tag_that_cannot_be_one_is_refused(client: Client) -> None:
    image_id = client.create(tags=[f"t{number}" for number in range(128)])
    assert tag(client, "PUT", image_id, "x" * 256).status == 400
    assert tag(client, "PUT", image_id, "one-too-many").status == 413
    assert tag(client, "PUT", image_id, "t7").status == 204
    assert len(client.show(image_id)["tags"]) == 128


def test_tags_are_the_owners_to_change(client: Client) -> None:
    stranger = client.of(new_id())
    private, community = client.create(tags=["a"]), client.create(tags=["a"], visibility="community")
    for method in ("PUT", "DELETE"):
        assert tag(stranger, method, private, "a").status == 404
        assert tag(stranger, method, community, "a").status == 403
    assert client.show(community)["tags"] == ["a"]


def test_deactivated_image_is_not_downloaded_until_it_is_reactivated(client: Client) -> None:
    image_id = client.create(visibility="community")
    client.upload(image_id, b"data")
    for _ in range(2):
        assert act(client, "deactivate", image_id).status == 204
    assert client.show(image_id)["status"] == "deactivated"
    for reader in (client, client.of(new_id())):
        assert reader.download(image_id).status == 403
    assert client.upload(image_id, b"more").status == 409
    for _ in range(2):
        assert act(client, "reactivate", image_id).status == 204
    assert (client.show(image_id)["status"], client.download(image_id).body) == ("active", b"data")


def test_actions_are_the_owners_on_images_with_data(client: Client) -> None:
    stranger = client.of(new_id())
    private, community = client.create(), client.create(visibility="community")
    client.upload(community, b"data")
    for action in ("deactivate", "reactivate"):
        assert act(stranger, action, private).status == 404
        assert act(stranger, action, community).status == 403
        assert act(client, action, new_id()).status == 404
        assert act(client, action, private).status == 403, "it has no data"
        with client.begin_upload(private, length=4) as upload:
            assert act(client, action, private).status == 403
            assert client.show(private)["status"] == "saving"
            assert upload.end_side().status == 400
    assert client.show(community)["status"] == "active"


def test_deactivated_image_is_deleted_with_its_data(local: Local) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, b"data")
    act(local.client, "deactivate", image_id)
    assert local.client.delete(image_id).status == 204
    assert local.keys("one") == []
    assert local.service.quota.account("default").used == 0


def delete_from(local: Local, store: str, image_id: str, project: str | None = None) -> int:
    client = local.client if project is None else local.client.of(project)
    return client.request("DELETE", f"/v2/stores/{store}/{image_id}").status


def test_one_of_two_copies_is_deleted_from_its_store(local: Local) -> None:
    image_id = local.client.create()
    local.client.upload(image_id, b"data")
    local.copy_to_more(image_id)
    assert local.client.show(image_id)["stores"] == "one,more"
    assert local.service.quota.account("default").used == 8, "each copy counts"
    assert delete_from(local, "one", image_id) == 204
    image = local.client.show(image_id)
    assert (image["stores"], image["status"], local.keys("one"), local.keys("more")) == (
        "more",
        "active",
        [],
        [f"{image_id}.2"],
    )
    assert local.client.download(image_id).body == b"data"
    assert local.service.quota.account("default").used == 4
    assert delete_from(local, "more", image_id) == 403, "the last one stays"
    assert local.client.download(image_id).body == b"data"


def test_copy_that_is_not_there_or_not_theirs_is_not_deleted(local: Local) -> None:
    image_id, queued = local.client.create(visibility="community"), local.client.create()
    local.client.upload(image_id, b"data")
    assert delete_from(local, "nowhere", image_id) == 409
    assert delete_from(local, "one", new_id()) == 404
    assert delete_from(local, "one", queued) == 409
    assert delete_from(local, "one", queued, "other") == 404
    assert delete_from(local, "one", image_id) == 403
    assert delete_from(local, "one", image_id, "other") == 403
    local.copy_to_more(image_id)
    assert delete_from(local, "one", image_id, "other") == 403
    act(local.client, "deactivate", image_id)
    assert delete_from(local, "one", image_id) == 409
    assert (local.keys("one"), local.keys("more")) == ([image_id], [f"{image_id}.2"])
