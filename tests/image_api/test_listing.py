"""`GET /v2/images`: which images are listed, in which order, on which page."""

from __future__ import annotations

import datetime
import itertools
import sqlite3
import urllib.parse
from contextlib import closing

import pytest

from imgstore.model import MIB
from tests.support.client import Client, new_id
from tests.support.service import ServiceProcess


def names(client: Client, query: str = "") -> list[str]:
    """The names of the images that are listed, in their order."""
    answer = client.get(f"/v2/images?{query}")
    assert answer.status == 200, answer
    return [image["name"] for image in answer.json()["images"]]


def upload(client: Client, name: str, size: int, **fields: object) -> str:
    image_id = client.create(name=name, **fields)
    assert client.upload(image_id, bytes(size)).status == 204
    return image_id


@pytest.fixture(scope="module")
def keeper(shared_service: ServiceProcess) -> Client:
    """The project whose images are the zoo's."""
    return shared_service.client.of(new_id())


@pytest.fixture(scope="module")
def zoo(keeper: Client) -> dict[str, str]:
    """Five images, made in the order of their names; identifiers by name."""
    return {
        "a": upload(keeper, "a", 10, tags=["x", "y"], os_type="linux", protected=True, min_ram=512),
        "b": upload(keeper, "b", 20, tags=["x"], os_type="linux", os_version="9"),
        "c": keeper.create(name="c", disk_format="qcow2", os_type="windows"),
        "d": upload(keeper, "d", 20, visibility="community"),
        "hidden": keeper.create(name="hidden", os_hidden=True, tags=["x"]),
    }


LISTED = {
    "": "dcba", "name=a": "a", "name=eq:a": "a", "name=in:a,c,nobody": "ca", "name=": "", "status=active": "dba",
    "status=in:queued,active": "dcba", "disk_format=qcow2": "c", "container_format=in:bare,ovf": "dcba",
    "size_min=11": "db", "size_max=10": "a", "size_min=10&size_max=19": "a", "size=20": "db", "min_ram=512": "a",
    "tag=x": "ba", "tag=x&tag=y": "a", "tag=nobody": "", "protected=true": "a", "protected=false": "dcb",
    "os_type=linux": "ba", "os_type=linux&os_version=9": "b", "os_type=nobody": "", "visibility=community": "d",
    "visibility=shared": "cba", "visibility=public": "", "member_status=all": "dcba",
    "created_at=gt:2020-01-01T00:00:00Z": "dcba", "created_at=lt:2020-01-01T00:00:00Z": "",
    "updated_at=neq:2020-01-01": "dcba", "created_at=2020-01-01T00:00:00%2B02:00": "", "sort=name:asc": "abcd",
    "sort=size:asc,name:desc": "cadb", "sort=size,name:asc": "bdac", "sort_key=name&sort_dir=asc": "abcd",
    "sort_key=size&sort_key=name&sort_dir=desc": "dbac",
    "sort_key=size&sort_key=name&sort_dir=desc&sort_dir=asc": "bdac",
    "sort_key=disk_format&sort_dir=asc&sort_dir=asc&sort_key=name": "cabd", "sort_key=created_at": "dcba",
    "sort_dir=asc": "abcd", "tag=x&os_type=linux&sort=created_at:asc&limit=1": "a",
}  # fmt: skip
"""The names of the zoo's images that are listed, by query."""


@pytest.mark.usefixtures("zoo")
def test_list_has_what_the_query_asks_for(keeper: Client) -> None:
    found = {query: "".join(names(keeper, f"owner={keeper.project}&{query}")) for query in LISTED}
    assert found == LISTED


def test_hidden_images_are_listed_where_they_are_asked_for(keeper: Client, zoo: dict[str, str]) -> None:
    assert names(keeper, "os_hidden=true") == ["hidden"]
    assert names(keeper, "os_hidden=false") == list("dcba")
    assert keeper.show(zoo["hidden"])["os_hidden"]


def test_identifiers_digests_and_times_are_filters(keeper: Client, zoo: dict[str, str]) -> None:
    image = keeper.show(zoo["b"])
    for name in ("checksum", "os_hash_value", "id"):
        assert names(keeper, f"{name}={image[name]}&os_type=linux") == ["b"]
    assert names(keeper, f"created_at=gte:{image['created_at']}&name=in:b,c") == ["c", "b"]
    assert names(keeper, f"id=in:{zoo['a']},{zoo['c']}") == ["c", "a"]


def test_time_is_compared_in_its_zone(client: Client) -> None:
    created = client.show(client.create(name="a"))["created_at"]
    moment = datetime.datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ")
    hours_of = {"": 0.0, "Z": 0.0, "+02:00": 2.0, "-0530": -5.5, "+01": 1.0}
    for (zone, hours), (seconds, expected) in itertools.product(hours_of.items(), ((-1, ["a"]), (2, []))):
        there = moment + datetime.timedelta(hours=hours, seconds=seconds)
        query = urllib.parse.quote(f"{there:%Y-%m-%dT%H:%M:%S}{zone}")
        assert names(client, f"created_at=gte:{query}") == expected
        assert names(client, f"created_at=gte:{query.replace('%2B', '+')}") == expected, "a '+' that is not escaped"
        assert names(client, f"created_at=lt:{query}") == (["a"] if not expected else [])


def test_value_with_a_comma_is_quoted(client: Client) -> None:
    for name in ("a,b", 'say "x"', "c"):
        client.create(name=name)
    query = urllib.parse.quote('in:"a,b","say \\"x\\""')
    assert names(client, f"name={query}&sort=name:asc") == ["a,b", 'say "x"']


def test_property_with_any_name_and_value_is_a_filter(client: Client) -> None:
    strange = {"os.type": 'quo"te', "n\u00e4me $[0]": "v\u00e4lue \U0001f600", "x'y": "100%"}
    client.create(name="strange", **strange)
    client.create(name="plain")
    for pair in strange.items():
        assert names(client, urllib.parse.urlencode([pair])) == ["strange"]


def test_community_images_of_others_are_listed_only_where_they_are_asked_for(client: Client) -> None:
    stranger = client.of(new_id())
    community = stranger.create(name="community", visibility="community")
    for visibility in ("private", "shared"):
        stranger.create(name=visibility, visibility=visibility)
    theirs = f"owner={stranger.project}"
    assert names(client, theirs) == []
    assert names(client, f"{theirs}&visibility=community") == names(client, f"{theirs}&visibility=all") == ["community"]
    assert names(client, f"{theirs}&visibility=shared") == []
    assert client.show(community)["visibility"] == "community"
    assert names(stranger) == ["shared", "private", "community"]


def test_pages_are_the_whole_list_without_gap_or_repetition(client: Client) -> None:
    for number in range(7):
        name = None if number == 3 else "ab"[number % 2]
        client.create(name=name, container_format=None if number % 3 else "bare")
    for sort in ("", "sort=name:asc", "sort=size:desc,name", "sort=container_format:asc", "sort=id"):
        whole = [image["id"] for image in client.get(f"/v2/images?{sort}").json()["images"]]
        assert len(set(whole)) == 7
        for limit in (1, 2, 7, 8):
            assert pages(client, f"{sort}&os_hidden=false", limit) == whole, (sort, limit)


def test_page_has_a_largest_size_and_goes_on(client: Client) -> None:
    made = [client.create(big="\n" * 65535) for _ in range(40)]
    page = client.get("/v2/images?limit=100")
    assert 4 * MIB - 2 * 65535 * 2 < len(page.body) <= 4 * MIB + 1024
    assert pages(client, "", 100) == made[::-1]


def pages(client: Client, query: str, limit: int) -> list[str]:
    """The identifiers of all images, page by page."""
    path: str | None = f"/v2/images?{query}&limit={limit}"
    seen: list[str] = []
    while path is not None and len(seen) <= 40:
        page = client.get(path).json()
        assert len(page["images"]) <= limit
        seen += [image["id"] for image in page["images"]]
        path = page.get("next")
    return seen


def test_pages_stay_whole_while_images_of_the_same_moment_come_and_go(
    client: Client, shared_service: ServiceProcess
) -> None:
    everything = [client.create() for _ in range(6)]
    moment = ("2026-01-01 00:00:00.000000", client.project)
    with closing(sqlite3.connect(shared_service.catalog.database)) as connection, connection:
        connection.execute("UPDATE images SET created_at = ? WHERE owner = ?", moment).close()
    first = client.get("/v2/images?limit=2").json()
    client.delete(first["images"][0]["id"])
    client.create()
    rest = client.get(first["next"].replace("limit=2", "limit=100")).json()["images"]
    seen = [image["id"] for image in itertools.chain(first["images"], rest)]
    assert sorted(seen) == sorted(everything)


def test_links_of_a_page_keep_the_query(client: Client) -> None:
    for _ in range(3):
        client.create(tags=["x", "y z"])
    page = client.get("/v2/images?tag=x&tag=y%20z&limit=2&sort=name:asc").json()
    assert page["first"] == "/v2/images?tag=x&tag=y+z&limit=2&sort=name%3Aasc"
    assert page["next"] == f"{page['first']}&marker={page['images'][-1]['id']}"
    last = client.get(page["next"]).json()
    assert (len(last["images"]), last["first"], "next" in last) == (1, page["first"], False)


def test_limit_of_nothing_lists_nothing_and_a_large_one_is_cut(client: Client) -> None:
    client.create()
    nothing = client.get("/v2/images?limit=0").json()
    assert (nothing["images"], "next" in nothing) == ([], False)
    assert len(client.get("/v2/images?limit=999999999").json()["images"]) == 1


BAD_QUERIES = (
    "limit=-1", "limit=x", "limit=", "limit=99999999999999999999", "limit=1&limit=1", "marker=x", "name=a&name=b",
    "size_min=x", "size_max=-1", "size_min=99999999999999999999", "min_ram=1.5", "protected=maybe",
    "os_hidden=maybe", "visibility=everybody", "member_status=maybe", "created_at=yesterday",
    "created_at=gt:yesterday", "created_at=near:2026-01-01", "created_at=2026-13-01", "updated_at=",
    "created_at=0001-01-01T00:00:00%2B23:59", "name=like:a", "id=gt:1", 'status=in:"active', 'name=in:a"b,c"',
    "sort=colour", "sort=name:up", "sort=", "sort=name,name", "sort=name&sort_key=size", "sort_dir=up",
    "sort_key=owner", "sort_key=name&sort_dir=asc&sort_dir=asc", "changes-since=2026-01-01", "=x",
    "&".join(f"p{number}=x" for number in range(101)),
)  # fmt: skip


def test_query_that_cannot_be_one_is_refused(client: Client) -> None:
    for query in BAD_QUERIES:
        answer = client.get(f"/v2/images?{query}", Accept="application/json")
        assert (answer.status, answer.json()["code"]) == (400, "bad-request"), query


def test_marker_of_an_image_that_the_project_may_not_see_is_refused(client: Client) -> None:
    hidden = client.of(new_id()).create()
    assert client.get(f"/v2/images?marker={hidden}").status == 400
