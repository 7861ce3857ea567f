"""`check` proves that the store works, or says in one line which option is to be corrected, and how (law 11)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.drivers.swift import SwiftDriver
from tests.support.faults import Corrupt, FaultProxy, Respond
from tests.support.swift import SwiftServer, SwiftSettings
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.test_reading import containers
from tests.swift.world import KEY, World, body, put, read

Worlds = Callable[[SwiftSettings], World]


def refusal(driver: SwiftDriver) -> errors.ConfigurationError:
    with pytest.raises(errors.ConfigurationError) as caught:
        driver.check()
    return caught.value


def test_a_good_store_passes_and_its_containers_are_created(world: World, driver: SwiftDriver) -> None:
    driver.check()
    driver.check()
    assert sorted(world.account.containers()) == [CONTAINER, SEGMENTS]
    assert world.account.everything() == set()


@pytest.mark.parametrize("there", [[], [CONTAINER], [SEGMENTS]])
def test_a_missing_container_is_named_with_its_cure(world: World, there: list[str]) -> None:
    for name in there:
        world.account.container(name)
    error = refusal(world.driver(create_container=False))
    assert error.option == "create_container"
    assert "Create both, or set create_container = true." in str(error)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"password": "wrong"}, "password"), ({"username": "no:body"}, "password"),
        ({"storage_policy": "platinum"}, "storage_policy"),
    ],
)  # fmt: skip
def test_what_the_server_does_not_accept_is_named(world: World, options: dict[str, Any], option: str) -> None:
    error = refusal(world.driver(**options))
    assert error.option == option
    assert "wrong" not in str(error)


def test_an_address_that_gives_no_tokens_is_named(world: World, swift: SwiftServer) -> None:
    assert refusal(world.driver(auth_url=f"{swift.url}/nothing")).option == "auth_url"
    assert refusal(world.driver(auth_url=f"{swift.url}/info")).option == "auth_url"
    assert refusal(world.driver(service_type="volume")).option == "service_type"


def test_a_user_without_rights_is_named(world: World, swift: SwiftServer) -> None:
    containers(world)
    world.account.new_token()
    stranger = swift.stranger(world.account)
    error = refusal(world.driver(username=stranger.login, password=stranger.key))
    assert error.option == "username"
    assert stranger.key not in str(error)


def test_an_unknown_authority_is_named_and_cured_by_cacert(world_with: Worlds) -> None:
    world = world_with(SwiftSettings(tls=True))
    assert refusal(world.driver()).option == "cacert"
    good = world.driver(cacert=str(world.server.ca_file))
    good.check()
    data = body(5000)
    put(good, data)
    assert read(good) == data
    good.delete(KEY)
    careless = world.driver(insecure=True)
    with pytest.warns(Warning, match="certificate verification"):
        careless.check()


def test_a_policy_may_be_known_by_another_case(world_with: Worlds) -> None:
    world = world_with(SwiftSettings(policies=("gold", "silver")))
    world.driver(storage_policy="Silver").check()
    assert world.account.head(CONTAINER).headers["x-storage-policy"] == "silver"


def test_a_policy_that_is_unknown_is_named_though_the_cluster_does_not_tell_its_policies(
    world: World, proxy: FaultProxy
) -> None:
    proxy.on(Respond(403), path="^/info$", times=None)
    assert refusal(world.through(proxy, storage_policy="platinum")).option == "storage_policy"
    world.through(proxy).check()


def test_a_store_that_cannot_be_reached_is_unavailable_not_misconfigured(world: World) -> None:
    with pytest.raises(errors.StoreUnavailable):
        world.driver(auth_url=world.nowhere(), max_attempts=1).check()


@pytest.mark.parametrize(("fault", "kind"), [(Respond(507), errors.StoreFull), (Respond(503), errors.StoreUnavailable)])
def test_a_store_that_takes_nothing_does_not_pass(
    world: World, proxy: FaultProxy, fault: Respond, kind: type[errors.StoreError]
) -> None:
    driver = world.through(proxy)
    driver.check()
    proxy.on(fault, method="PUT", path="imgstore-probe", times=None)
    with pytest.raises(kind):
        driver.check()


def test_a_store_that_gives_back_something_else_does_not_pass(
    world: World, proxy: FaultProxy, proxied: SwiftDriver
) -> None:
    proxy.on(Corrupt(3), method="GET", path="imgstore-probe")
    with pytest.raises(errors.IntegrityError):
        proxied.check()
    assert world.account.everything() == set()


def test_a_file_of_accounts_works(world: World, tmp_path: Path) -> None:
    path = tmp_path / "accounts.conf"
    path.write_text(
        f"[own]\nauth_version = 1\nauth_address = {world.server.auth_url}\nuser = {world.account.login}\n"
        f"key = '{world.account.key}'\n"
    )
    options = world.options(account_file=str(path), reference="own", auth_url=None, username=None, password=None)
    driver = SwiftDriver(**options)
    driver.check()
    put(driver, body(10))
    driver.delete(KEY)
    driver.close()
    path.unlink()
    other = SwiftDriver(**options)
    assert refusal(other).option == "account_file"
    other.close()
