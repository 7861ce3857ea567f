"""Known by its place: a bucket's folder has a mark, and nothing is done, missing or created where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imgstore import errors
from imgstore.driver.place import MARK_NAME, new_mark, text_of
from imgstore.drivers.s3 import S3Driver
from imgstore.drivers.s3.place import MOST_FOLDERS
from imgstore.model import Leftover
from imgstore.testing.faults import FaultProxy, ReplaceAnswer, s3_error
from tests.s3.places import MotoPlace, Place, SwiftPlace
from tests.s3.support import KEY, LARGE, OTHER, SMALL, body, get, seen_meanwhile
from tests.s3.test_leftovers import abandon, remove_leftovers

SAME: list[list[dict[str, Any]]] = [
    [
        {"endpoint_url": url, "prefix": prefix}
        for url in ("https://s3.example.org", "http://S3.Example.Org:80/", "https://s3.example.org.:443")
        for prefix in ("a/b", "/a//b/")
    ],
    [{"endpoint_url": "https://s3.example.org:8443"}],
    [{"endpoint_url": "https://s3.example.org:8443", "access_key": "of another account", "secret_key": "other"}],
    [{"endpoint_url": "https://s3.example.org/gateway"}],
    [{"bucket": "other"}],
    [
        {}, {"region": "eu-west-1"}, {"endpoint_url": "https://s3.dualstack.eu-west-1.amazonaws.com"},
        {"endpoint_url": "https://s3-accelerate.amazonaws.com"}, {"access_key": "other", "secret_key": "other"},
    ],
    [{"region": "cn-north-1"}, {"endpoint_url": "https://s3.cn-north-1.amazonaws.com.cn"}],
]  # fmt: skip
"""Options that lead to one place, each list to another."""


def test_a_place_is_known_by_whatever_name() -> None:
    places = [{S3Driver(**{"bucket": "images", **options}).place for options in group} for group in SAME]
    told = [{(place.root, place.path) for place in group} for group in places]
    assert [len(group) for group in told] == [1] * len(SAME)
    assert len(set.union(*told)) == len(SAME)


def test_a_folder_lies_in_those_above_it_and_in_no_namesake() -> None:
    prefixes = ("", "img", "img2", "img/sub")
    places = {prefix: S3Driver(bucket="images", prefix=prefix).place for prefix in prefixes}
    apart = {(one, other) for one in prefixes for other in prefixes if not places[one].overlaps(places[other])}
    assert apart == {("img", "img2"), ("img2", "img"), ("img2", "img/sub"), ("img/sub", "img2")}


def test_a_mark_is_written_once_and_like_an_epoch_it_is_no_key(place: Place) -> None:
    driver, first, second = place.driver(), new_mark(), new_mark()
    assert driver.read_mark() is None
    assert driver.write_mark(first) == first
    assert driver.read_epoch() == 0
    for epoch in (1, 12):
        driver.write_epoch(epoch)
        assert driver.read_epoch() == epoch
    assert place.driver().write_mark(second) == driver.read_mark() == first
    assert [*driver.objects(), *driver.leftovers()] == []
    with pytest.raises(errors.InvalidKey):
        driver.remove_leftover(Leftover(MARK_NAME, "made up"))
    assert driver.write_mark(second, replace=True) == driver.read_mark() == second


def test_whoever_is_first_meanwhile_keeps_the_place(place: Place, proxy: FaultProxy) -> None:
    """The look says that there is no mark; then somebody writes one."""
    proxy.on(s3_error(404, "NoSuchKey"), method="GET", path=MARK_NAME)
    driver, first = place.driver(), new_mark()
    place.client().put_object(Bucket=place.bucket, Key=place.prefix + MARK_NAME, Body=text_of(first))
    assert driver.write_mark(new_mark()) == first
    proxy.on(s3_error(404, "NoSuchKey"), method="GET", path=MARK_NAME)
    proxy.on(s3_error(409, "ConditionalRequestConflict", early=True), method="PUT", path=MARK_NAME)
    assert driver.write_mark(new_mark()) == first


def test_one_bucket_behind_two_endpoints_is_one_place(swift_place: SwiftPlace) -> None:
    driver, mark = swift_place.driver(), new_mark()
    other = swift_place.driver(endpoint_url=swift_place.endpoint.replace("127.0.0.1", "localhost"))
    assert not driver.place.overlaps(other.place)
    assert other.write_mark(mark) == mark
    assert driver.write_mark(new_mark()) == mark


def test_something_else_with_the_marks_name_is_no_mark(moto_place: MotoPlace) -> None:
    for text in (b"", b"imgstore place x\n", text_of(new_mark()) + bytes(10_000)):
        moto_place.client().put_object(Bucket=moto_place.bucket, Key=MARK_NAME, Body=text)
        assert moto_place.driver().read_mark() is None


def test_no_place_is_made_in_another(moto_place: MotoPlace) -> None:
    moto_place.watched = False
    for prefix in ("a/b", "a/b2", "c", "d/e/f"):
        assert moto_place.driver(prefix=prefix).write_mark(new_mark())
    for prefix in ("", "a", "a/b/c/d", "c/b", "d"):
        driver = moto_place.driver(prefix=prefix)
        with pytest.raises(errors.ConfigurationError, match=r"Another store is in (a/b/|a/b2/|c/|d/e/f/) of") as caught:
            driver.write_mark(new_mark(), replace=True)
        assert (caught.value.option, driver.read_mark()) == ("prefix", None)
    moto_place.client().put_object(Bucket=moto_place.bucket, Key=MARK_NAME, Body=text_of(new_mark()))
    with pytest.raises(errors.ConfigurationError, match="the top folder"):
        moto_place.driver(prefix="z").write_mark(new_mark())


def test_a_mark_costs_few_looks_and_none_where_the_keys_may_not(swift_place: SwiftPlace, proxy: FaultProxy) -> None:
    """The keys of many stores reach their own folder only."""
    proxy.on(s3_error(403, "AccessDenied"), method="GET", path=f"{swift_place.bucket}/{MARK_NAME}")
    listed = "".join(f"<CommonPrefixes><Prefix>a/{number}/</Prefix></CommonPrefixes>" for number in range(100))
    proxy.on(ReplaceAnswer(200, f"<ListBucketResult>{listed}</ListBucketResult>".encode()), query="list-type")
    mark = new_mark()
    assert swift_place.driver(prefix="a").write_mark(mark) == mark
    assert proxy.count(query="list-type") == MOST_FOLDERS + 1
    proxy.on(s3_error(500, "InternalError"), method="GET", path=f"{swift_place.bucket}/{MARK_NAME}", times=None)
    with pytest.raises(errors.StoreUnavailable):
        swift_place.driver(prefix="b").write_mark(mark)


def test_the_first_mark_creates_the_bucket_if_it_may(swift_place: SwiftPlace) -> None:
    options, mark = {"bucket": "new-bucket"}, new_mark()
    assert swift_place.driver(**options).read_mark() is None
    with pytest.raises(errors.ConfigurationError, match="NoSuchBucket"):
        swift_place.driver(**options, create_bucket=True).write_mark(mark, replace=True)
    with pytest.raises(errors.ConfigurationError, match="create_bucket") as caught:
        swift_place.driver(**options).write_mark(mark)
    assert (caught.value.option, swift_place.account.containers()) == ("bucket", [swift_place.bucket])
    for _ in range(2):
        assert swift_place.driver(**options, create_bucket=True).write_mark(mark) == mark


def uses(place: Place, driver: S3Driver) -> dict[str, Callable[[], object]]:
    """Everything that a store is asked for."""
    return {
        "upload": lambda: place.put(driver, SMALL),
        "large upload": lambda: place.put(driver, LARGE),
        "reader": lambda: driver.open_reader(KEY),
        "empty reader": lambda: driver.open_reader(KEY, stop=0),
        "stat": lambda: driver.stat(KEY),
        "delete": lambda: driver.delete(KEY),
        "copy": lambda: driver.copy(KEY, OTHER),
        "objects": lambda: list(driver.objects()),
        "leftovers": lambda: list(driver.leftovers()),
        "leftover": lambda: driver.remove_leftover(Leftover(f"{KEY}?uploadId=1", "made up")),
        "clearing": lambda: driver.clear_leftovers(KEY),
        "space": driver.space,
        "check": driver.check,
        "temporary URL": lambda: driver.temporary_url(KEY, seconds=1),
    }


def refused(uses: dict[str, Callable[[], object]]) -> None:
    """Each of them is WrongPlace, which is 503, and asks the client to come again."""
    for name, use in uses.items():
        with pytest.raises(errors.WrongPlace) as caught:
            use()
        assert (name, caught.value.status, caught.value.retryable) == (name, 503, True)


def test_a_bucket_that_is_gone_is_unavailable_until_it_is_back(swift_place: SwiftPlace) -> None:
    account, bucket = swift_place.account, swift_place.bucket
    driver = swift_place.driver(create_bucket=True)
    mark = driver.write_mark(new_mark())
    driver.expect_mark(mark)
    driver.prove_place()
    account.delete(f"{bucket}/{MARK_NAME}")
    account.delete(bucket)
    asked = uses(swift_place, driver)
    proved_lately = {name: asked.pop(name) for name in ("upload", "large upload", "objects", "leftovers", "space")}
    refused(proved_lately)
    refused(asked | proved_lately)
    assert account.containers() == []
    account.put(bucket)
    refused(asked | proved_lately)
    account.put(f"{bucket}/{MARK_NAME}", text_of(new_mark()))
    refused(asked | proved_lately)
    assert swift_place.names() == set()
    account.put(f"{bucket}/{MARK_NAME}", text_of(mark))
    swift_place.put(driver, SMALL)
    assert get(driver) == SMALL
    swift_place.kept = {KEY}


def test_in_another_bucket_nothing_is_missing_though_the_place_was_proved_lately(moto_place: MotoPlace) -> None:
    for ask in ("stat", "delete", "copy", "reader"):
        driver = moto_place.driver()
        driver.expect_mark(driver.write_mark(new_mark()))
        driver.prove_place()
        moto_place.client().delete_object(Bucket=moto_place.bucket, Key=MARK_NAME)
        refused({ask: uses(moto_place, driver)[ask]})


def test_in_another_bucket_nothing_counts_as_undone(
    moto_place: MotoPlace, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """The answers to the upload are lost, and then the place is."""
    driver = moto_place.driver()
    driver.expect_mark(driver.write_mark(new_mark()))
    with driver.open_writer(KEY, size=1) as writer:
        writer.write(b"x")
        moto_place.client().delete_object(Bucket=moto_place.bucket, Key=MARK_NAME)
        proxy.on(s3_error(500, "InternalError", early=True), method="PUT", times=None)
        with pytest.raises(errors.StoreUnavailable):
            writer.commit()
    assert "place has no mark" in caplog.text


def test_a_mark_costs_no_request(place: Place, proxy: FaultProxy) -> None:
    costs, marked = [], place.driver()
    marked.expect_mark(marked.write_mark(new_mark()))
    marked.prove_place()
    for driver in (place.driver(), marked):
        with seen_meanwhile(proxy) as seen:
            for size in (1000, 2 * place.part + 1):
                place.put(driver, body(size))
                get(driver)
                driver.stat(KEY)
                driver.copy(KEY, OTHER)
                driver.delete(KEY)
                driver.delete(OTHER)
        place.kept.discard(KEY)
        costs.append([(each.method, each.query.split("=")[0]) for each in seen])
    assert costs[0] == costs[1]


def test_a_purge_takes_nothing_of_a_neighbours(place: Place) -> None:
    """Stores in one bucket, each purged with age 0 while all others have a mark, an image and an upload under way. A
    key of one store may be called as the folder of another, and strangers upload there too."""
    place.watched = False
    uploads = {}
    for folder, key in {"": "img", "img/": "sub", "img2/": KEY, "img/sub/": KEY}.items():
        place.put(place.driver(prefix=place.prefix + folder), SMALL, key)
        place.client().put_object(Bucket=place.bucket, Key=place.prefix + folder + MARK_NAME, Body=text_of(new_mark()))
        uploads[folder] = abandon(place, folder + key, parts=1)
        abandon(place, f"{folder}a stranger's", parts=0)
    before = place.names()
    for folder, upload in uploads.items():
        (leftover,) = remove_leftovers(place.driver(prefix=place.prefix + folder))
        own = {name for name in before if upload in name}
        assert leftover.name.endswith(upload)
        after = place.names()
        assert before - after == own != set()
        before = after
