"""A real Swift before a real Keystone: who is who, and its S3 API with Keystone's credentials."""

from __future__ import annotations

from tests.support.swift.on_keystone import KeystoneSwift


def test_member_does_everything_and_reader_nothing(keystone_swift: KeystoneSwift) -> None:
    account, other = keystone_swift.account(), keystone_swift.account()
    container = account.container()
    assert account.put(f"{container}/key", b"some").status == 201
    assert account.everything() == {f"{container}/key"}
    assert other.everything() == set()
    assert keystone_swift.reader(account).get(f"{container}/key").status == 403
    other.storage_url = account.storage_url
    assert other.get(container).status == 403


def test_revoked_token_is_401_and_a_new_one_is_good(keystone_swift: KeystoneSwift) -> None:
    account = keystone_swift.account()
    container = account.container()
    keystone_swift.keystone.revoke(account.token)
    assert account.put(f"{container}/key", b"some").status == 401
    account.new_token()
    assert account.put(f"{container}/key", b"some").status == 201
