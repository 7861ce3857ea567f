"""The Swift driver with tokens of a real Keystone: by password and by application credential, names and identifiers,
renewed in mid-upload; the contract's laws of requests; and images in their owners' own accounts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imgstore import errors
from imgstore.driver.capabilities import SharesObjects
from imgstore.driver.place import new_mark
from imgstore.drivers.swift import SwiftDriver
from imgstore.testing import Bench, working_bench
from imgstore.testing.failures import FailureLaws
from imgstore.testing.faults import FaultProxy
from imgstore.testing.writing import WritingLaws
from tests.support.keystone import PASSWORD, Keystone
from tests.support.swift import SwiftServer, SwiftSettings
from tests.support.swift.on_keystone import KeystoneAccount, KeystoneSwift
from tests.support.waiting import until
from tests.swift.subject import CONTAINER, AccountSubject, nowhere
from tests.swift.world import KEY, SEGMENT, body, put, read

pytestmark = pytest.mark.long

BORDER = 4096
IMAGE = f"{CONTAINER}_{KEY}"


def options(account: KeystoneAccount, **others: Any) -> dict[str, Any]:
    """A driver on the account of a project, by name and password."""
    return {
        "auth_url": account.auth_url, "username": account.user, "password": account.key,
        "project_name": account.project, "container": CONTAINER, "create_container": True, "segment_size": SEGMENT,
        "concurrency": 3, "max_attempts": 2, **others,
    }  # fmt: skip


@pytest.fixture(scope="module")
def remembered(keystone_swift: KeystoneSwift) -> Iterator[KeystoneAccount]:
    """A project's account on a Swift that asks Keystone once about a token: the contract's requests are thousands."""
    account = keystone_swift.account()
    with SwiftServer(SwiftSettings(keystone=keystone_swift.access(remembered=300))) as swift:
        account.storage_url = f"{swift.url}/v1/AUTH_{keystone_swift.keystone.project(account.project)}"
        until(lambda: account.put("first").status in (201, 202))
        account.delete("first")
        yield account


class TestSwiftOnKeystone(WritingLaws, FailureLaws):
    """The laws of requests that carry a token, and of what may be said of it; `contract/test_swift.py` has them all."""

    @pytest.fixture
    def bench(self, remembered: KeystoneAccount) -> Iterator[Bench]:
        subject = AccountSubject(
            remembered, **options(remembered, segment_size=BORDER, endpoint=remembered.storage_url)
        )
        subject.mark()
        with working_bench(subject) as bench:
            yield bench
        for path in remembered.everything():
            remembered.delete(path)


@pytest.fixture
def account(keystone_swift: KeystoneSwift) -> Iterator[KeystoneAccount]:
    account = keystone_swift.account()
    yield account
    assert account.everything() == set()


def works(driver: SwiftDriver) -> None:
    """A large image, there and back."""
    driver.write_mark(new_mark())
    driver.check()
    put(driver, body(2 * SEGMENT))
    assert read(driver) == body(2 * SEGMENT)
    driver.delete(KEY)
    driver.close()


def test_names_and_identifiers_lead_to_the_same_account(
    keystone_swift: KeystoneSwift, account: KeystoneAccount
) -> None:
    keystone = keystone_swift.keystone
    user, project = keystone.user_of(account.token), keystone.project(account.project)
    for who in (
        {}, {"username": None, "user_id": user}, {"project_name": None, "project_id": project},
        {"user_domain_name": "Default", "project_domain_id": "default"}, {"region": "RegionOne"},
        {"auth_url": account.auth_url.removesuffix("/v3")}, {"endpoint_type": "publicURL"},
        {"endpoint": account.storage_url},
    ):  # fmt: skip
        works(SwiftDriver(**options(account, **who)))


def test_an_application_credential_does(keystone_swift: KeystoneSwift, account: KeystoneAccount) -> None:
    identifier, secret = keystone_swift.keystone.application_credential(account.token, "images")
    nobody = {"username": None, "password": None, "project_name": None}
    by_id = {"application_credential_id": identifier, "application_credential_secret": secret, **nobody}
    works(SwiftDriver(**options(account, **by_id)))
    by_name = {
        **nobody, "application_credential_name": "images", "application_credential_secret": secret,
        "username": account.user, "user_domain_id": "default",
    }  # fmt: skip
    works(SwiftDriver(**options(account, **by_name)))
    wrong = SwiftDriver(**options(account, **{**by_id, "application_credential_secret": "wrong"}))
    with pytest.raises(errors.ConfigurationError) as caught:
        wrong.check()
    assert caught.value.option == "password"
    wrong.close()


def test_what_keystone_does_not_accept_is_named(keystone_swift: KeystoneSwift, account: KeystoneAccount) -> None:
    right, reader = options(account), options(keystone_swift.reader(account))
    wrong = [
        ({"password": "wrong"}, "password"), ({"username": "nobody"}, "password"), ({"project_name": "no"}, "password"),
        ({"region": "Elsewhere"}, "service_type"), ({"service_type": "volume"}, "service_type"),
        ({"endpoint_type": "admin"}, "service_type"), (reader, "username"),
    ]  # fmt: skip
    for values, option in wrong:
        driver = SwiftDriver(**{**right, **values})
        with pytest.raises(errors.ConfigurationError) as caught:
            driver.check()
        assert caught.value.option == option
        assert PASSWORD not in str(caught.value)
        with pytest.raises(errors.StoreUnavailable):
            driver.stat(KEY)
        driver.close()


def test_a_token_that_is_revoked_in_mid_upload_is_renewed_and_one_is_enough_otherwise(
    keystone_swift: KeystoneSwift, account: KeystoneAccount
) -> None:
    with FaultProxy(keystone_swift.keystone.url) as proxy:
        driver = SwiftDriver(**options(account, auth_url=proxy.url))
        driver.write_mark(new_mark())
        assert proxy.count(method="POST", path="/auth/tokens") == 1
        with driver.open_writer(KEY) as writer:
            writer.write(body(3 * SEGMENT))
            keystone_swift.keystone.revoke(driver._own_token.access().token)
            writer.write(body(4 * SEGMENT, 1))
            writer.commit()
        assert proxy.count(method="POST", path="/auth/tokens") == 2
        assert read(driver) == body(3 * SEGMENT) + body(4 * SEGMENT, 1)
        driver.delete(KEY)
        driver.close()


def test_a_keystone_that_is_away_makes_the_store_unavailable(account: KeystoneAccount) -> None:
    driver = SwiftDriver(**options(account, auth_url=nowhere(), max_attempts=1))
    with pytest.raises(errors.StoreUnavailable):
        driver.check()
    driver.close()


def test_a_token_of_seconds_ends_in_mid_upload_and_is_renewed(
    keystone_swift: KeystoneSwift, account: KeystoneAccount, tmp_path: Path
) -> None:
    """The driver's clock stands still: it learns of the end from Swift, which asks Keystone."""
    with Keystone(tmp_path, data=keystone_swift.keystone.root, expiration=5) as short:
        driver = SwiftDriver(**options(account, auth_url=short.url))
        driver.write_mark(new_mark())
        driver._own_token._shared.clock = lambda: 0.0
        first = driver._own_token.access()
        with driver.open_writer(KEY) as writer:
            writer.write(body(2 * SEGMENT))
            time.sleep(6)
            writer.write(body(3 * SEGMENT, 1))
            writer.commit()
        assert driver._own_token.access().token != first.token
        assert read(driver) == body(2 * SEGMENT) + body(3 * SEGMENT, 1)
        driver.delete(KEY)
        driver.close()


def test_an_image_in_its_owners_account_is_read_by_those_it_is_shared_with(keystone_swift: KeystoneSwift) -> None:
    owner, reader = keystone_swift.account(), keystone_swift.account()

    def context(account: KeystoneAccount) -> SimpleNamespace:
        endpoints = [{"region": "RegionOne", "publicURL": account.storage_url}]
        catalog = [{"type": "object-store", "endpoints": endpoints}]
        return SimpleNamespace(auth_token=account.token, service_catalog=catalog)

    store = SwiftDriver(multi_tenant=True, container=CONTAINER, segment_size=SEGMENT)
    mine = store.for_context(context(owner))
    put(mine, body(3 * SEGMENT))
    assert owner.objects(IMAGE) == {KEY: 3 * SEGMENT}
    theirs = store.for_context(context(reader), url=mine.url(KEY))
    with pytest.raises(errors.Forbidden):
        theirs.stat(KEY)
    assert isinstance(mine, SharesObjects)
    mine.share(KEY, readers=[keystone_swift.keystone.project(reader.project)])
    assert read(theirs) == body(3 * SEGMENT)
    mine.share(KEY)
    with pytest.raises(errors.Forbidden):
        theirs.open_reader(KEY)
    mine.share(KEY, public=True)
    assert read(theirs, start=5, stop=SEGMENT + 5) == body(3 * SEGMENT)[5 : SEGMENT + 5]
    mine.delete(KEY)
    assert owner.containers() == []
    store.close()
