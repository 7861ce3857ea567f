"""`check` proves that a bucket works, and names the option or the permission where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.testing.faults import ChangeHeaders, Corrupt, FaultProxy, s3_error
from tests.s3.places import SMALL_PART, MotoPlace, Place, SwiftPlace
from tests.s3.support import ABORT, BEGIN, LIST_PARTS, LIST_UPLOADS, PUT, Like, seen_meanwhile
from tests.support.fixtures import SwiftFactory
from tests.support.moto import MotoServer
from tests.support.swift import SwiftSettings


def complaint(place: Place, **options: Any) -> errors.ConfigurationError:
    """What a check says that fails for good."""
    with pytest.raises(errors.ConfigurationError) as caught:
        place.driver(**options).check()
    for secret in place.secrets:
        assert secret not in str(caught.value)
    return caught.value


def test_a_later_check_asks_for_the_object_only_and_leaves_nothing(place: Place, proxy: FaultProxy) -> None:
    driver = place.driver()
    driver.check()
    with seen_meanwhile(proxy) as seen:
        driver.check()
    assert [each.method for each in seen] == ["PUT", "GET", "DELETE"]


def test_a_missing_bucket_is_named_and_not_created(place: Place) -> None:
    for create in (False, True):
        error = complaint(place, bucket="no-such-bucket-of-ours", create_bucket=create)
        assert (error.option, "imgstore check --create" in str(error)) == ("bucket", True)


def test_keys_that_the_server_refuses_are_named(swift_place: SwiftPlace) -> None:
    for option, value in (("secret_key", "wrong"), ("access_key", "nobody:nowhere")):
        error = complaint(swift_place, **{option: value})
        assert error.option in {"access_key", "secret_key"}  # this server does not tell one from the other
        assert value not in str(error)


def test_a_stranger_lacks_permissions(swift_place: SwiftPlace) -> None:
    stranger = swift_place.server.stranger(swift_place.account)
    error = complaint(swift_place, access_key=stranger.access_key, secret_key=stranger.key)
    assert (error.option, "s3:ListBucket is needed" in str(error)) == ("bucket", True)


PERMISSIONS: dict[str, Like] = {
    "s3:ListBucket": {"method": "GET", "query": "list-type=2"},
    "s3:PutObject": PUT,
    "s3:GetObject": {"method": "GET", "path": "imgstore-probe"},
    "s3:DeleteObject": {"method": "DELETE", "query": "^$"},
    "s3:PutObject is needed": BEGIN,
    "s3:AbortMultipartUpload": ABORT,
    "s3:ListMultipartUploadParts": LIST_PARTS,
    "s3:ListBucketMultipartUploads": LIST_UPLOADS,
}


def test_the_permission_that_is_missing_is_named(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    for permission, request in PERMISSIONS.items():
        proxy.on(s3_error(403, "AccessDenied"), **request)
        driver = swift_place.driver()
        with pytest.raises(errors.ConfigurationError, match=permission) as caught:
            driver.check()
        proxy.heal()
        assert "was refused" in str(caught.value)
        for leftover in list(driver.leftovers()):  # what a check cannot remove without the permission
            driver.remove_leftover(leftover)


def test_more_permissions_are_named_where_options_need_them(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(s3_error(403, "AccessDenied"), **PUT)
    error = complaint(swift_place, tags={"a": "b"}, encryption="aws:kms")
    assert "s3:PutObject and s3:PutObjectTagging and kms:GenerateDataKey and kms:Decrypt is needed" in str(error)


CODES = {
    "ExpiredToken": "session_token",
    "InvalidStorageClass": "storage_class",
    "KMS.NotFoundException": "kms_key_id",
    "InvalidTag": "tags",
    "PermanentRedirect": "region",
    "AuthorizationHeaderMalformed": "region",
}


def test_a_code_that_is_about_an_option_names_it(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    for code, option in CODES.items():
        proxy.heal()
        proxy.on(s3_error(400, code), **PUT, times=3)
        error = complaint(swift_place)
        assert (error.option, code in str(error)) == (option, True)


def test_tags_that_the_server_does_not_know_are_named(swift_place: SwiftPlace) -> None:
    error = complaint(swift_place, tags={"a": "b"})
    assert (error.option, "NotImplemented" in str(error)) == ("tags", True)


def test_a_server_that_does_not_list_uploads_is_good_enough(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(s3_error(501, "NotImplemented"), **LIST_UPLOADS, times=None)
    swift_place.driver().check()


def test_a_server_that_fails_is_not_misconfigured(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    for status, kind in ((500, errors.StoreUnavailable), (507, errors.StoreFull)):
        proxy.heal()
        proxy.on(s3_error(status, "InternalError"), method="PUT", times=None)
        with pytest.raises(kind):
            swift_place.driver().check()
    proxy.heal()
    proxy.on(s3_error(403, "RequestTimeTooSkewed"), times=None)
    with pytest.raises(errors.StoreUnavailable, match="RequestTimeTooSkewed") as caught:
        swift_place.driver().check()
    assert "clock" in (caught.value.detail or "")


def test_a_server_that_gives_back_something_else_is_noticed(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(Corrupt(3), method="GET", path="imgstore-probe")
    with pytest.raises(errors.IntegrityError):
        swift_place.driver().check()


def test_an_error_tells_the_servers_number_of_the_request(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    proxy.on(ChangeHeaders({}), method="HEAD")
    with pytest.raises(errors.StoreUnavailable) as caught:
        swift_place.driver(secret_key="wrong").stat("key")
    assert "(status 403, request tx" in (caught.value.detail or "")


def test_a_file_that_cannot_be_read_is_named(moto_place: MotoPlace, tmp_path: Path) -> None:
    for option in ("ca_bundle", "client_cert"):
        assert complaint(moto_place, **{option: str(tmp_path / "missing.pem")}).option == option


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_tls_is_verified_with_the_authority_that_was_named(
    swift_with: SwiftFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = swift_with(SwiftSettings(tls=True, s3_min_part=SMALL_PART, async_delete=False))
    place = SwiftPlace(server)
    place.driver(ca_bundle=str(server.ca_file)).check()
    place.driver(verify=False).check()
    assert complaint(place).option == "ca_bundle"
    monkeypatch.setenv("AWS_CA_BUNDLE", str(server.ca_file))
    place.driver().check()
    assert place.names() == set()


def test_parts_that_the_server_finds_too_small_are_named(moto: MotoServer) -> None:
    assert complaint(MotoPlace(moto)).option == "part_size"
