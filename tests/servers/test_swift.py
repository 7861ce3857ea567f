"""The Swift of the tests is what the drivers' tests take it for."""

from __future__ import annotations

from tests.support.fixtures import SwiftFactory
from tests.support.swift import SwiftServer, SwiftSettings
from tests.support.waiting import until

SMALL = SwiftSettings(token_life=1, max_file_size=1000, max_manifest_segments=2, tls=True)


def test_accounts_are_apart_and_all_that_is_in_one_is_seen(swift: SwiftServer) -> None:
    one, two = swift.account(), swift.account()
    container = one.container()
    assert one.put(f"{container}/a name/with a slash", b"some").status == 201
    assert one.everything() == {f"{container}/a name/with a slash"}
    assert one.objects(container) == {"a name/with a slash": 4}
    assert two.everything() == set()
    assert swift.stranger(one).get(container).status == 403
    two.storage_url = one.storage_url
    assert two.get(container).status == 403


def test_quota_of_account_and_container_hold(swift: SwiftServer) -> None:
    account = swift.account()
    container = account.container()
    account.set_container_quota(container, 10)
    swift.set_account_quota(account, 15)
    assert account.put(f"{container}/one", bytes(10)).status == 201
    assert account.put(f"{container}/two", b"x").status == 413
    account.set_container_quota(container, None)
    account.wait_until_used(10)
    assert account.put(f"{container}/two", bytes(6)).status == 413
    swift.set_account_quota(account, None)
    assert account.put("é/none", b"to no container").status == 404
    assert account.put(f"{account.container('é')}/two", bytes(6)).status == 201
    account.wait_until_used(16)


def test_settings_hold_over_tls(swift_with: SwiftFactory) -> None:
    swift = swift_with(SMALL)
    assert swift_with(SMALL) is swift
    account = swift.account()
    container = account.container()
    assert account.storage_url.startswith("https://127.0.0.1:")
    assert account.put(f"{container}/large", bytes(1001)).status == 413
    assert account.put(f"{container}/small", bytes(1000)).status == 201
    three = b"[" + b",".join([b'{"path": "' + f"/{container}/small".encode() + b'"}'] * 3) + b"]"
    assert account.put(f"{container}/manifest", three, query="multipart-manifest=put").status == 413
    until(lambda: account.head(container).status == 401)
    account.new_token()
    assert account.head(container).status == 204
