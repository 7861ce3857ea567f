"""Known by its place: the options tell which containers are a store's; without its mark they are not the store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.driver.capabilities import KeepsEpoch
from imgstore.driver.place import MARK_NAME, new_mark, text_of
from imgstore.drivers.swift import SwiftDriver
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.drivers.swift.place import SwiftPlace, place_of
from imgstore.model import Leftover, Place
from imgstore.testing.faults import FaultProxy, Respond
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import KEY, MARK, SEGMENT, World, body, die, put, read

SEED = "multiple_containers_seed"
ACCOUNT = {"auth_version": "1", "auth_url": "http://Swift.invalid:80/auth/v1.0/", "username": "a:b", "password": "c"}
KEYSTONE = {"auth_url": "https://k.invalid:5000/v3", "username": "u", "password": "p", "project_name": "images"}


def place(**options: Any) -> SwiftPlace:
    return place_of(SwiftOptions(**{**ACCOUNT, **options}))


def named(container: str, seed: int = 0, segments: str | None = None) -> SwiftPlace:
    return place(container=container, segments_container=segments, **{SEED: seed})


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        (named("images"), named("images"), True),
        (named("images"), named("images", 2), True),  # the mark is in the container without letters
        (named("images"), named("images_ab"), False),
        (named("images", 2), named("images_ab"), True),
        (named("images", 2), named("images_a-b-"), False),
        (named("images", 2), named("images_--ab"), True),  # dashes do not count
        (named("images", 2), named("images_fast"), False),
        (named("images", 3), named("images_a", 1), True),  # images_a_x
        (named("images", 2), named("images_fast", 2), False),
        (named("images", 3), named("images_", 1), True),  # images__x
        (named("images"), named("images_segments"), True),
        (named("images", 2), named("images_ab_segments"), True),
        (named("images", 2), named("images_fast_segments"), False),
        (named("images"), named("files", 0, "images"), True),
        (named("images", 2), named("files", 0, "images_ab_segments"), True),
        (named("images", 0, "pieces"), named("files", 2, "pieces"), True),
        (named("images", 0, "pieces"), named("files", 2, "parts"), False),
        (named("images"), place(container="images", username="other:b"), False),
        (named("images"), place(container="images", username="a:x", auth_url="http://swift.invalid/auth/v1.0"), True),
        (named("images_x"), place(container="images", multi_tenant=True), True),
        (named("images"), place(container="files", multi_tenant=True), False),
        (place(multi_tenant=True), place(multi_tenant=True, username="other:b"), True),
        (named("images"), Place("swift", ("x",), ("images",), "another driver's"), False),
    ],
)  # fmt: skip
def test_two_stores_with_a_container_in_common_are_told(first: SwiftPlace, second: Place, overlap: bool) -> None:
    assert (first.overlaps(second), not isinstance(second, SwiftPlace) or second.overlaps(first)) == (
        overlap, overlap or not isinstance(second, SwiftPlace),
    )  # fmt: skip


def test_an_account_is_the_same_whoever_asks_for_the_token_and_however_the_url_is_written(tmp_path: Path) -> None:
    def accounts(**options: Any) -> frozenset[tuple[str, ...]]:
        return place_of(SwiftOptions(**{**KEYSTONE, **options})).accounts

    same = {"auth_url": "https://K.invalid:5000/", "username": "w", "password": "q", "project_domain_name": "Default"}
    assert accounts() == accounts(**same)
    path = tmp_path / "accounts"
    in_file = {"auth_url": None, "username": None, "password": None, "project_name": None, "account_file": str(path)}
    assert accounts(**in_file) != accounts(), "a file that cannot be read says nothing yet"
    path.write_text("[ref1]\nauth_address = https://k.invalid:5000/v3\nuser = images:x\nkey = y\n")
    assert accounts(**in_file) == accounts()
    by_name = {"project_name": None, "application_credential_name": "n", "application_credential_secret": "s"}
    for others in ({"region": "two"}, {"project_domain_id": "d"}, {"endpoint": "https://s.invalid/v1/AUTH_1"}, by_name):
        assert accounts(**others) != accounts()


def test_a_place_is_made_and_marked_once_and_only_where_that_is_allowed(world: World, driver: SwiftDriver) -> None:
    world.empty()
    assert driver.read_mark() is None
    with pytest.raises(errors.ConfigurationError, match="is missing"):
        world.driver(create_container=False).write_mark(MARK)
    with pytest.raises(errors.ConfigurationError, match="is missing"):
        driver.write_mark(MARK, replace=True)
    assert world.account.containers() == []
    assert driver.write_mark(MARK) == driver.write_mark(new_mark()) == driver.read_mark() == MARK
    assert sorted(world.account.containers()) == [CONTAINER, SEGMENTS]
    assert world.account.get(f"{CONTAINER}/{MARK_NAME}").body == text_of(MARK), "as any other driver reads it"
    other = new_mark()
    assert driver.write_mark(other, replace=True) == world.driver().read_mark() == other
    with FaultProxy(world.server.url) as proxy:
        proxy.on(Respond(404), method="GET", path=MARK_NAME)  # as of two who come at once
        assert world.through(proxy).write_mark(MARK) == other
    world.put(f"{CONTAINER}/{MARK_NAME}", b"something else")
    with pytest.raises(errors.WrongPlace):
        driver.write_mark(MARK)
    assert [*driver.objects(), *driver.leftovers()] == []
    assert not world.driver(multi_tenant=True).place.markable


USES: dict[str, Callable[[SwiftDriver], object]] = {
    "write": lambda driver: put(driver, body(10), "new"),
    "write segments": lambda driver: put(driver, body(3 * SEGMENT), "new"),
    "read": read,
    "stat": lambda driver: driver.stat(KEY),
    "delete": lambda driver: driver.delete(KEY),
    "list": lambda driver: list(driver.objects()),
    "copy": lambda driver: driver.copy(KEY, "new"),
    "list leftovers": lambda driver: list(driver.leftovers()),
    "remove leftovers of a key": lambda driver: driver.clear_leftovers("dead"),
    "remove a leftover": lambda driver: driver.remove_leftover(Leftover(f"{SEGMENTS}/dead/1700000000-{'0' * 16}/", "")),
    "measure": lambda driver: driver.space(),
    "read the epoch": lambda driver: driver.read_epoch(),
    "note an epoch": lambda driver: driver.write_epoch(1),
    "sign": lambda driver: driver.temporary_url(KEY, seconds=60),
    "check": lambda driver: driver.check(),
}
AT_ONCE = tuple(USES)[:9]
"""Those that meet a missing container; the others ask for nothing in it, and learn of it within a minute."""


def refused(use: Callable[[], object]) -> bool:
    try:
        use()
    except errors.WrongPlace:
        return True
    except errors.ImgstoreError:
        return False
    return False


def proven(world: World, **options: Any) -> SwiftDriver:
    driver = world.driver(**options)
    driver.expect_mark(MARK)
    driver.prove_place()
    return driver


@pytest.mark.parametrize("gone", ["the container", "the mark", "another's mark"])
def test_in_another_place_nothing_is_done_missing_or_made(world: World, gone: str) -> None:
    die(world.driver(), 2 * SEGMENT, "dead")
    world.put(f"{CONTAINER}/{KEY}", body(10))
    uses = ("write", "read", "delete") if gone == "another's mark" else tuple(USES)
    drivers = {name: proven(world) for name in uses}
    world.unmark()
    if gone == "the container":
        world.account.delete(f"{CONTAINER}/{KEY}")
        world.account.delete(CONTAINER)
        assert {name for name in AT_ONCE if not refused(partial(USES[name], drivers[name]))} == set()
    elif gone == "another's mark":
        world.mark(new_mark())
    before = world.account.everything(), world.account.containers()
    for name, driver in drivers.items():
        with pytest.raises(errors.WrongPlace):
            driver.prove_place()
        assert refused(partial(USES[name], driver)), name
    assert (world.account.everything(), world.account.containers()) == before
    if gone == "the container":
        world.account.container(CONTAINER)
        world.put(f"{CONTAINER}/{KEY}", body(10))
    world.mark()
    driver = drivers["delete"]
    driver.delete(KEY)
    driver.clear_leftovers("dead")


@pytest.mark.parametrize("marked", [True, False], ids=["a mark is expected", "none is"])
def test_containers_that_uploads_need_are_made_in_the_right_place_only(world: World, marked: bool) -> None:
    driver = proven(world, **{SEED: 2}) if marked else world.driver(**{SEED: 2})
    put(driver, body(10))
    driver.delete(KEY)
    if marked:
        world.unmark()
    else:
        world.empty()
    before = world.account.containers()
    with pytest.raises(errors.WrongPlace if marked else errors.StoreUnavailable):
        put(driver, body(10), "another")
    assert world.account.containers() == before
    if not marked:
        world.make()
    world.mark()
    put(driver, body(3 * SEGMENT), "another")
    driver.delete("another")


def test_an_epoch_is_noted_beside_the_mark(driver: SwiftDriver) -> None:
    assert isinstance(driver, KeepsEpoch)
    assert driver.read_epoch() == 0
    for epoch in (1, 12):
        driver.write_epoch(epoch)
        assert (driver.read_epoch(), driver.read_mark()) == (epoch, MARK)
    assert list(driver.objects()) == []


def test_the_mark_costs_one_request_now_and_then(world: World, proxy: FaultProxy) -> None:
    driver = world.through(proxy)
    driver.expect_mark(MARK)
    for number in range(3):
        put(driver, body(3 * SEGMENT), f"{KEY}-{number}")
        read(driver, f"{KEY}-{number}")
        driver.copy(f"{KEY}-{number}", "copy")
        for key in ("copy", f"{KEY}-{number}"):
            driver.delete(key)
    assert proxy.count(path=MARK_NAME) == 1
