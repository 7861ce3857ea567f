"""Values that cannot work are refused when the driver is made, with the option's name, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.auth import _plugin
from imgstore.drivers.swift.credentials import read_account
from imgstore.drivers.swift.options import SwiftOptions

GOOD: dict[str, Any] = {
    "auth_url": "https://keystone.invalid/v3", "username": "glance", "password": "s3cret", "project_name": "service"
}  # fmt: skip


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"auth_url": None}, "auth_url"), ({"auth_url": ""}, "auth_url"),
    ({"auth_url": "keystone.invalid/v3"}, "auth_url"),
    ({"auth_url": "https://user:s3cret@keystone.invalid/v3"}, "auth_url"), ({"auth_url": "ftp://x/v3"}, "auth_url"),
    ({"auth_url": "https://keystone.invalid:port/v3"}, "auth_url"), ({"auth_url": "https:///v3"}, "auth_url"),
    ({"endpoint": "https://swift.invalid/v1/AUTH_a?b=c"}, "endpoint"),
    ({"endpoint": "https://swift.invalid/v1/AUTH_%(project_id)s"}, "endpoint"),
    ({"username": None}, "username"), ({"password": None}, "password"), ({"project_name": None}, "project_name"),
    ({"auth_version": "2"}, "auth_version"), ({"auth_version": "1", "username": None}, "username"),
    ({"auth_version": "1", "password": ""}, "password"),
    ({"application_credential_id": "a"}, "application_credential_secret"),
    ({"application_credential_name": "a", "application_credential_secret": "b", "username": None}, "username"),
    ({"auth_version": "1", "application_credential_id": "a"}, "auth_version"),
    ({"container": "a/b"}, "container"), ({"container": ""}, "container"), ({"container": ".."}, "container"),
    ({"container": "a b"}, "container"), ({"container": "x" * 250}, "container"), ({"container": 7}, "container"),
    ({"segments_container": "glance"}, "segments_container"), ({"segments_container": "?"}, "segments_container"),
    ({"container": "x" * 60, "multi_tenant": True}, "container"),
    ({"multiple_containers_seed": 33}, "multiple_containers_seed"),
    ({"multiple_containers_seed": -1}, "multiple_containers_seed"),
    ({"multi_tenant": True, "multiple_containers_seed": 1}, "multiple_containers_seed"),
    ({"multi_tenant": True, "segments_container": "s"}, "segments_container"),
    ({"account_file": "/etc/accounts"}, "auth_url"), ({"insecure": True, "cacert": "/x"}, "cacert"),
    ({"segment_size": 0}, "segment_size"), ({"segment_size": 6 * 1024**3}, "segment_size"),
    ({"segment_size": True}, "segment_size"), ({"segment_size": "1"}, "segment_size"),
    ({"large_object_threshold": 0}, "large_object_threshold"), ({"concurrency": 0}, "concurrency"),
    ({"max_attempts": 0}, "max_attempts"), ({"read_timeout": 0}, "read_timeout"),
    ({"connect_timeout": -1}, "connect_timeout"),
    ({"read_block_size": 1}, "read_block_size"), ({"endpoint_type": "secret"}, "endpoint_type"),
]  # fmt: skip
TAKEN: list[dict[str, Any]] = [
    {**dict.fromkeys(GOOD), "multi_tenant": True, "endpoint": "https://swift.invalid/v1/AUTH_%(project_id)s"},
    {}, {"username": None, "user_id": "abc"}, {"project_name": None, "project_id": "abc"},
    {"application_credential_id": "a", "application_credential_secret": "b", "username": None, "password": None},
    {"application_credential_name": "a", "application_credential_secret": "b"}, {"endpoint_type": "internalURL"},
    {"auth_version": "1", "project_name": None}, {"multi_tenant": True}, {"auth_url": "https://keystone.invalid/v3/"},
    {"endpoint": "https://swift.invalid/v1/AUTH_abc/"}, {"container": "a.b_c~d-e"}, {"region": "", "cacert": ""},
]  # fmt: skip


def test_what_cannot_work_is_refused_with_its_name() -> None:
    for values, option in REFUSED:
        with pytest.raises(errors.ConfigurationError) as caught:
            SwiftDriver(**{**GOOD, **values})
        assert caught.value.option == option, values
        assert "s3cret" not in str(caught.value)


def test_what_can_work_is_taken() -> None:
    for values in TAKEN:
        driver = SwiftDriver(**{**GOOD, **values})
        assert "s3cret" not in f"{driver!r} {driver._options!r} {driver._options.credentials()!r}"
        driver.close()


ACCOUNTS = """
[plain]
user = service:glance
key = s3cret%20
auth_address = https://keystone.invalid:5000/v3
[quoted]
user = "tenant:name"
key = 's3cret'
auth_address = https://keystone.invalid/v3
user_domain_name = users
project_domain_id = projects
[application]
application_credential_id = abc
application_credential_secret = s3cret
auth_address = https://keystone.invalid/v3
[first]
auth_version = 1
user = account:tester
key = s3cret
auth_address = https://swift.invalid/auth/v1.0
[incomplete]
user = service:glance
auth_address = https://keystone.invalid/v3
[homeless]
user = service:glance
key = s3cret
[secret]
auth_address = https://glance:s3cret@keystone.invalid/v3
user = service:glance
key = s3cret
"""


@pytest.fixture
def accounts(tmp_path: Path) -> str:
    path = tmp_path / "accounts.conf"
    path.write_text(ACCOUNTS)
    return str(path)


def test_accounts_are_read_as_glance_store_has_them(accounts: str) -> None:
    plain, quoted, application, first = (
        read_account(accounts, name, version="3") for name in ("plain", "quoted", "application", "first")
    )
    assert (plain.auth_version, plain.project_name) == ("3", "service")
    assert (plain.username, plain.password) == ("glance", "s3cret%20")
    assert (quoted.project_name, quoted.username, quoted.password) == ("tenant", "name", "s3cret")
    assert (quoted.user_domain_name, quoted.project_domain_id) == ("users", "projects")
    assert (application.application_credential_id, application.by_application) == ("abc", True)
    assert (first.auth_version, first.username, first.user_in_url) == ("1", "account:tester", "account:tester")
    assert "s3cret" not in f"{plain} {quoted} {application} {first}"


def test_a_slash_behind_an_accounts_address_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "accounts.conf"
    for address in ("", "/", "/v3", "/v3/", "/v3//"):
        path.write_text(f"[a]\nuser = p:u\nkey = k\nauth_address = https://keystone.invalid{address}\n")
        assert _plugin(read_account(str(path), "a", version="3")).auth_url == "https://keystone.invalid/v3"


def test_an_account_that_is_not_there_or_not_complete_is_named(accounts: str) -> None:
    for reference, option in (("incomplete", "account_file"), ("homeless", "account_file"), ("other", "reference")):
        with pytest.raises(errors.ConfigurationError) as caught:
            read_account(accounts, reference, version="3")
        assert caught.value.option == option
        assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_no_secrets_in_the_url_of_an_account(accounts: str) -> None:
    options = SwiftOptions(account_file=accounts, reference="secret")
    with pytest.raises(errors.ConfigurationError, match=r"auth_address of \[secret\] is not a plain URL") as caught:
        options.credentials()
    assert "s3cret" not in str(caught.value)


def test_an_accounts_value_is_no_other_line(accounts: str, tmp_path: Path) -> None:
    path = tmp_path / "more.conf"
    account = "\ufeff[a]\nuser = service:glance\nauth_address = https://keystone.invalid/v3{}\nkey = s3cret # 1{}\n"
    path.write_text(account.format("", ""))
    assert read_account(str(path), "a", version="3").password == "s3cret # 1"
    for lines in ((" # ours", ""), ("\n  region = x", ""), ("", "\n  user = x")):
        path.write_text(account.format(*lines))
        with pytest.raises(errors.ConfigurationError, match=r"\[a\] \w+ has a") as caught:
            read_account(str(path), "a", version="3")
        assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_ini_file_is_named_and_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "accounts.conf"
    for text in ("user = s3cret\n", "[a]\nkey = s3cret\nkey = s3cret\n", "[a\n", "\udcff"):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(errors.ConfigurationError) as caught:
            read_account(str(path), "a", version="3")
        assert caught.value.option == "account_file"
        assert caught.value.__cause__ is None
        assert "s3cret" not in str(caught.value)
