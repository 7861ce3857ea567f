"""Keys: from the options or from boto3's own places, renewed in the middle of an upload, and in no text at all."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from imgstore import errors
from imgstore.drivers.s3 import S3Driver, keys
from imgstore.testing.bench import captured_log, texts
from imgstore.testing.faults import FaultProxy, Respond, s3_error
from imgstore.testing.forking import new_sockets
from imgstore.testing.resources import no_collector
from tests.s3.places import SwiftPlace
from tests.s3.support import KEY, LARGE, PART, get
from tests.support.waiting import until

SHORT = 0.5
NO_KEYS: dict[str, Any] = {"access_key": None, "secret_key": None}


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """boto3 finds what a test puts there, and nothing else."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


def write_profile(tmp_path: Path, name: str, access_key: str, secret_key: str) -> None:
    text = f"[{name}]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n"
    (tmp_path / "credentials").write_text(text)


def test_keys_of_a_profile_or_of_the_environment_serve(
    swift_place: SwiftPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for profile in ("default", "images"):
        write_profile(tmp_path, profile, swift_place.access_key, swift_place.secret_key)
        swift_place.driver(**NO_KEYS, profile=None if profile == "default" else profile).check()
    (tmp_path / "credentials").unlink()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", swift_place.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", swift_place.secret_key)
    swift_place.driver(**NO_KEYS).check()


def test_keys_of_the_options_need_no_profile(swift_place: SwiftPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "that-is-gone")
    swift_place.driver().check()


def test_missing_keys_and_a_missing_profile_are_named(swift_place: SwiftPlace) -> None:
    driver = swift_place.driver(**NO_KEYS)
    with pytest.raises(errors.ConfigurationError, match="No keys were found") as caught:
        driver.check()
    assert caught.value.option == "access_key"
    with pytest.raises(errors.StoreUnavailable, match="NoCredentialsError") as unavailable:
        swift_place.put(driver, b"x")
    assert "boto3 found no keys" in (unavailable.value.detail or "")
    with pytest.raises(errors.ConfigurationError) as caught:
        swift_place.driver(**NO_KEYS, profile="missing").check()
    assert caught.value.option == "profile"


def test_keys_that_expire_in_the_middle_of_an_upload_are_renewed(
    swift_place: SwiftPlace, proxy: FaultProxy, tmp_path: Path
) -> None:
    write_profile(tmp_path, "default", swift_place.access_key, swift_place.secret_key)
    driver = swift_place.driver(**NO_KEYS, concurrency=1)
    with driver.open_writer(KEY, size=len(LARGE)) as writer:
        writer.write(LARGE[:PART])
        proxy.wait_until(1, method="PUT", query="partNumber=1")
        proxy.on(s3_error(400, "ExpiredToken"), method="PUT", query="partNumber=2")
        writer.write(LARGE[PART:])
        swift_place.kept.add(writer.commit().key)
    assert get(driver) == LARGE
    assert [seen.status for seen in proxy.seen(method="PUT", query="partNumber=2")] == [400, 200]


def test_keys_that_expire_before_a_look_are_renewed(swift_place: SwiftPlace, proxy: FaultProxy, tmp_path: Path) -> None:
    """What Amazon tells HEAD of expired keys is 400, without a body."""
    write_profile(tmp_path, "default", swift_place.access_key, swift_place.secret_key)
    driver = swift_place.driver(**NO_KEYS)
    swift_place.put(driver, b"x")
    proxy.on(Respond(400), method="HEAD", path=KEY)
    assert driver.stat(KEY).size == 1
    fixed = swift_place.driver()
    proxy.on(Respond(400), method="HEAD", path=KEY)
    with pytest.raises(errors.StoreUnavailable):
        fixed.stat(KEY)


def test_renewed_keys_are_the_ones_that_are_there_now(
    swift_place: SwiftPlace, proxy: FaultProxy, tmp_path: Path
) -> None:
    write_profile(tmp_path, "default", "former:key", "former")
    driver = swift_place.driver(**NO_KEYS)
    with pytest.raises(errors.StoreUnavailable, match="SignatureDoesNotMatch"):
        driver.open_reader(KEY)
    write_profile(tmp_path, "default", swift_place.access_key, swift_place.secret_key)
    proxy.on(s3_error(400, "ExpiredToken"))
    swift_place.put(driver, b"x")


def test_a_file_of_keys_is_read_again(swift_place: SwiftPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(keys, "FRESH", 0.0)
    write_profile(tmp_path, "default", "former:key", "former")
    driver = swift_place.driver(**NO_KEYS)
    assert not is_stored(swift_place, driver)
    write_profile(tmp_path, "default", swift_place.access_key, swift_place.secret_key)
    until(lambda: is_stored(swift_place, driver))


def is_stored(place: SwiftPlace, driver: S3Driver) -> bool:
    try:
        place.put(driver, b"x")
    except errors.StoreUnavailable:
        return False
    return True


def test_a_process_that_gives_keys_and_hangs_holds_up_only_who_has_none(
    swift_place: SwiftPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keys, "FRESH", 0.0)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {pipe}\n")
    given = {"Version": 1, "AccessKeyId": swift_place.access_key, "SecretAccessKey": swift_place.secret_key}
    driver = swift_place.driver(**NO_KEYS, read_timeout=SHORT)
    with ThreadPoolExecutor(3) as pool:
        for without in [pool.submit(driver.stat, KEY) for _ in range(3)]:
            assert "no keys in time" in str(without.exception())
    pipe.write_text(json.dumps(given))
    until(lambda: is_stored(swift_place, driver))
    for number in range(3):
        swift_place.put(driver, b"x", f"{KEY}.{number}")
    pipe.write_text(json.dumps(given))  # the process that hung all the time ends


@pytest.mark.server  # it starts the process
def test_a_process_that_gives_keys_and_hangs_is_killed_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keys, "PROCESS_SECONDS", 0.2)
    given = tmp_path / "given"
    os.mkfifo(given)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {given}\n")
    found = keys.Keys(botocore.session.Session, patience=20)
    with pytest.raises(errors.StoreUnavailable, match="CredentialRetrievalError"):
        found.get_frozen_credentials()
    given.unlink()
    given.write_text(json.dumps({"Version": 1, "AccessKeyId": "mine", "SecretAccessKey": "secret"}))

    def mine() -> object:
        with contextlib.suppress(errors.ImgstoreError):
            return found.get_frozen_credentials().access_key
        return None

    assert until(mine) == "mine"


def test_what_an_undo_opens_after_the_close_is_closed_again(swift_place: SwiftPlace) -> None:
    driver = swift_place.driver()
    assert new_sockets(lambda: swift_place.put(driver, b"x")) > 0
    driver.close()
    with no_collector():
        assert new_sockets(lambda: driver.stat(KEY)) == 0


def test_keys_of_the_options_that_expire_are_told_and_not_looked_for(
    swift_place: SwiftPlace, proxy: FaultProxy
) -> None:
    proxy.on(s3_error(400, "ExpiredToken"), times=None)
    with pytest.raises(errors.StoreUnavailable) as caught:
        swift_place.put(swift_place.driver(), b"x")
    assert "session_token" in (caught.value.detail or "")
    assert proxy.count(method="PUT") == 1


@pytest.mark.parametrize("status", [307, pytest.param(301, marks=pytest.mark.long)])
def test_no_request_follows_a_redirect(swift_place: SwiftPlace, proxy: FaultProxy, status: int) -> None:
    with FaultProxy(swift_place.endpoint) as elsewhere:
        proxy.on(Respond(status, headers={"Location": f"{elsewhere.url}/{swift_place.bucket}/{KEY}"}), times=None)
        driver = swift_place.driver(session_token="FQoGZXIvYXdzEJr", max_attempts=2)
        for action in (partial(get, driver), partial(driver.stat, KEY), partial(swift_place.put, driver, b"x")):
            with pytest.raises(errors.StoreUnavailable):
                action()
        assert elsewhere.requests == []


SECRETS = {"access_key": "AKIDEXAMPLE", "secret_key": "wJalrXUtnFEMIK7MDENG", "session_token": "FQoGZXIvYXdzEJr"}


def test_no_key_is_in_any_text(swift_place: SwiftPlace, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        logging.getLogger("urllib3"), "level", logging.DEBUG
    )  # as somebody sets it who looks for a fault
    with captured_log() as log:
        driver, put = swift_place.driver(**SECRETS), swift_place.put
        shown = [repr(driver), repr(vars(driver)), driver.url(KEY)]
        for action in (driver.check, partial(put, driver, b"x"), partial(put, driver, LARGE), partial(get, driver)):
            with pytest.raises(errors.ImgstoreError) as caught:
                action()
            shown += texts(caught.value)
    assert log.lines, "the log was looked at"
    for secret in SECRETS.values():
        assert not [line for line in [*shown, *log.lines] if secret in line]


def test_the_log_of_boto3_stays_as_it_was_set(swift_place: SwiftPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("botocore")
    levels = {logging.NOTSET: logging.INFO, logging.DEBUG: logging.DEBUG, logging.ERROR: logging.ERROR}
    for before, after in levels.items():
        monkeypatch.setattr(logger, "level", before)
        swift_place.put(swift_place.driver(), b"x", f"{KEY}.{before}")
        assert logger.level == after
