"""Swift with the caller's own token: an image is in its owner's account, and there for whom Glance calls a member."""

from __future__ import annotations

import pytest

from tests.glance.house import PART, House, Objects
from tests.support.fixtures import SwiftFactory
from tests.support.glance.server import GlanceClient
from tests.support.swift import SwiftAccount, SwiftSettings

pytestmark = pytest.mark.long

BODY = bytes(range(256)) * (2 * PART // 256) + b"and a bit"
STORE = "tenants"


@pytest.fixture
def accounts(swift_with: SwiftFactory, objects: Objects) -> tuple[SwiftAccount, SwiftAccount]:
    """Two more of the server that `objects` has."""
    swift = swift_with(SwiftSettings())
    return swift.account(), swift.account()


def of(house: House, account: SwiftAccount, token: str | None = None) -> GlanceClient:
    """Requests of the account's user."""
    return GlanceClient(house.client.url, project=account.name, token=token or account.token)


def test_an_image_is_in_its_owners_account_for_its_members(
    house: House, accounts: tuple[SwiftAccount, SwiftAccount]
) -> None:
    owner, other = (of(house, account) for account in accounts)
    image = owner.create(visibility="shared")
    assert owner.upload(image, BODY, store=STORE).status == 204
    assert set(accounts[0].containers()) == {f"images_{image}", f"images_{image}_segments"}
    assert accounts[1].containers() == []
    assert owner.download(image, Range="bytes=5-9").body == BODY[5:10]
    assert other.download(image).status == 403
    assert owner.post(f"/v2/images/{image}/members", {"member": accounts[1].name}).status == 200
    assert other.download(image).body == BODY
    assert other.delete(image).status == 403
    assert owner.delete(image).status == 204
    assert accounts[0].containers() == []


def test_a_token_that_swift_refuses_is_401_and_nothing_is_left(
    house: House, accounts: tuple[SwiftAccount, SwiftAccount]
) -> None:
    owner, expired = of(house, accounts[0]), of(house, accounts[0], "expired")
    image = owner.create()
    assert expired.upload(image, b"some", store=STORE).status == 401
    assert (owner.show(image)["status"], accounts[0].containers()) == ("queued", [])
    assert owner.upload(image, b"some", store=STORE).status == 204
    assert [answer.status for answer in (expired.download(image), expired.delete(image))] == [401, 401]
    assert owner.delete(image).status == 204
    assert accounts[0].containers() == []
