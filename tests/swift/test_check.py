"""`check` proves that the store works, or says in one line which option is to be corrected, and how (right blame)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from imgstore.testing.faults import Corrupt, Fault, FaultProxy, Respond
from tests.support.swift import SwiftSettings
from tests.swift.subject import CONTAINER, SEGMENTS, nowhere
from tests.swift.world import KEY, MARK, ODD, World, Worlds, body, put, read


def refusal(driver: SwiftDriver) -> errors.ConfigurationError:
    with pytest.raises(errors.ConfigurationError) as caught:
        driver.check()
    return caught.value


@pytest.mark.parametrize("options", [{}, {"create_container": False}, {"multiple_containers_seed": 2}])
def test_a_missing_container_is_named_with_its_cure_and_never_created_by_a_check(
    world: World, options: dict[str, Any]
) -> None:
    world.empty()
    driver = world.driver(**options)
    needed = [CONTAINER] if driver._options.create_container else [CONTAINER, SEGMENTS]
    for name in needed:
        error = refusal(driver)
        assert error.option == "create_container"
        assert f"container '{name}' is missing. Set create_container = true, and" in str(error)
        world.account.container(name)
    driver.check()
    assert world.account.containers() == needed


def test_an_option_that_the_server_does_not_accept_is_named(world: World) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"password": "wrong"}, "password"), ({"username": "no:body"}, "password"),
        ({"storage_policy": "platinum"}, "storage_policy"), ({"service_type": "volume"}, "service_type"),
        ({"auth_url": f"{world.server.url}/nothing"}, "auth_url"),
        ({"auth_url": f"{world.server.url}/info"}, "auth_url"),
    ]  # fmt: skip
    for options, option in refused:
        error = refusal(world.driver(**options))
        assert error.option == option
        assert "wrong" not in str(error)


def test_a_user_without_rights_is_named(world: World) -> None:
    stranger = world.server.stranger(world.account)
    error = refusal(world.driver(username=stranger.login, password=stranger.key))
    assert error.option == "username"
    assert stranger.key not in str(error)


def test_an_unknown_authority_is_named_and_cured_by_cacert(world_with: Worlds) -> None:
    world = world_with(SwiftSettings(tls=True))
    assert refusal(world.driver()).option == "cacert"
    good = world.driver(cacert=str(world.server.ca_file))
    good.check()
    put(good, body(5000))
    assert read(good) == body(5000)
    good.delete(KEY)
    careless = world.driver(insecure=True)
    with pytest.warns(Warning, match="certificate verification"):
        careless.check()


def test_a_policy_may_be_known_by_another_case(world_with: Worlds) -> None:
    world = world_with(ODD)
    world.empty()
    world.driver(storage_policy="Silver").write_mark(MARK)
    assert world.account.head(CONTAINER).headers["x-storage-policy"] == "silver"


def test_an_unknown_policy_is_named_though_the_cluster_tells_none(world: World, proxy: FaultProxy) -> None:
    world.empty()
    proxy.on(Respond(403), path="^/info$", times=None)
    with pytest.raises(errors.ConfigurationError) as caught:
        world.through(proxy, storage_policy="platinum").write_mark(MARK)
    assert caught.value.option == "storage_policy"
    world.through(proxy).write_mark(MARK)
    world.through(proxy).check()


def test_a_store_that_is_away_is_unavailable_not_misconfigured(world: World) -> None:
    with pytest.raises(errors.StoreUnavailable):
        world.driver(auth_url=nowhere(), max_attempts=1).check()


def test_a_store_that_takes_nothing_or_gives_back_something_else_does_not_pass(
    proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    faults: list[tuple[Fault, str, type[errors.StoreError]]] = [
        (Respond(507), "PUT", errors.StoreFull), (Respond(503), "PUT", errors.StoreUnavailable),
        (Corrupt(3), "GET", errors.IntegrityError),
    ]  # fmt: skip
    for fault, method, kind in faults:
        proxy.on(fault, method=method, path="imgstore-probe", times=None)
        with pytest.raises(kind):
            proxied.check()
        proxy.heal()


def test_a_file_of_accounts_is_read_when_it_is_needed(world: World, tmp_path: Path) -> None:
    path = tmp_path / "accounts.conf"
    values = {"account_file": str(path), "reference": "own", "auth_url": None, "username": None, "password": None}
    driver = world.driver(**values)
    assert refusal(driver).option == "account_file"
    path.write_text(
        f"[own]\nauth_version = 1\nauth_address = {world.server.auth_url}\nuser = {world.account.login}\n"
        f"key = '{world.account.key}'\n"
    )
    driver.check()
    put(driver, body(10))
    driver.delete(KEY)
