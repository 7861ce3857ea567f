"""SEMANTICS of uploads: stores that are full, not writable, down; at their beginning, in the middle, at the commit."""

from __future__ import annotations

import errno

import pytest

from imgstore import errors
from imgstore.model import MIB
from tests.semantics.house import House, Tenant

FAULTY = ("X-Image-Meta-Store", "faulty")
CONTENT = bytes(2 * MIB)
SECRET = "/srv/secret"
POINTS = ("open for writing", "write", "commit")

ROWS: dict[str, tuple[Exception, int]] = {
    "ENOSPC": (OSError(errno.ENOSPC, "No space left", SECRET), 413),
    "EDQUOT": (OSError(errno.EDQUOT, "Quota exceeded", SECRET), 413),
    "EFBIG": (OSError(errno.EFBIG, "File too large", SECRET), 413),
    "the store's own quota": (errors.StoreFull("Image storage media is full.", detail=SECRET), 413),
    "EACCES": (OSError(errno.EACCES, "Permission denied", SECRET), 503),
    "EROFS": (OSError(errno.EROFS, "Read-only file system", SECRET), 503),
    "EIO": (OSError(errno.EIO, "Input/output error", SECRET), 503),
    "unreachable": (ConnectionRefusedError(errno.ECONNREFUSED, SECRET), 503),
    "times out": (TimeoutError(SECRET), 503),
    "answers 5xx": (errors.StoreUnavailable("The storage answered 500.", detail=SECRET), 503),
    "a defect of the driver": (ZeroDivisionError(SECRET), 503),
    "not found": (FileNotFoundError(errno.ENOENT, "No such file", SECRET), 503),
    "holds something else": (errors.IntegrityError("The storage holds something else.", detail=SECRET), 503),
}
DOWN = ROWS["unreachable"]
"""For the laws that depend on where a store fails, not on how."""


def assert_refused(
    tenant: Tenant, point: str, row: tuple[Exception, int], *, chunked: bool, store: tuple[str, str] = FAULTY
) -> None:
    """An upload that the store refuses at this point; nothing of it is left."""
    image_id, (failure, status) = tenant.create(), row
    with tenant.house.faulty.failing(point, failure, after=MIB if point == "write" else 0):
        answer = tenant.put_framed(image_id, CONTENT, store, chunked=chunked)
    assert (answer.status, "retry-after" in answer.headers) == (status, status == 503)
    assert answer.message.startswith("Store 'faulty': ")
    assert ("Image storage media is full" in answer.message) == (status == 413), "as Glance says it"
    assert SECRET not in answer.message
    tenant.assert_refused_without_trace(image_id)


def test_right_blame_for_whatever_fails(house: House, subtests: pytest.Subtests) -> None:
    """At the other points, and through the other adapter: `tests/http`."""
    for name, row in ROWS.items():
        with subtests.test(name):
            assert_refused(Tenant(house), "write", row, chunked=False)


@pytest.mark.usefixtures("each_storage")
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
def test_undone_wherever_the_store_fails(tenant: Tenant, point: str, chunked: bool) -> None:
    assert_refused(tenant, point, DOWN, chunked=chunked)


@pytest.mark.usefixtures("each_storage")
def test_retry_may_go_to_the_store_that_failed(tenant: Tenant, house: House) -> None:
    image_id = tenant.create()
    with house.faulty.failing("write", TimeoutError(), times=1):
        assert tenant.put(image_id, b"data", FAULTY).status == 503
        tenant.assert_no_trace(image_id)
        assert tenant.put(image_id, b"data", FAULTY).status == 204
    assert list(tenant.objects(image_id).values()) == [b"data"]


@pytest.mark.usefixtures("each_storage")
def test_store_whose_place_is_gone_is_503_until_it_is_back(tenant: Tenant, house: House) -> None:
    """A file system that is not mounted, say: nothing is written in its place."""
    image_id, slow = tenant.create(), ("X-Image-Meta-Store", "slow")
    with house.without_place("slow"):
        answers = [tenant.put(image_id, b"data", slow), tenant.put_chunks(image_id, [b"data"], slow)]
    assert [(answer.status, "retry-after" in answer.headers) for answer in answers] == [(503, True)] * 2
    tenant.assert_no_trace(image_id)
    assert tenant.put(image_id, b"data", slow).status == 204
    assert list(tenant.objects(image_id).values()) == [b"data"]


@pytest.mark.usefixtures("each_storage")
def test_object_in_the_way_is_left_alone_and_the_retry_has_another_key(tenant: Tenant, house: House) -> None:
    """As a catalog that was restored from a backup finds it."""
    image_id, fast = tenant.create(), house.stores.resolve("fast").driver
    with fast.open_writer(image_id) as writer:
        writer.write(b"another image")
        writer.commit()
    answer = tenant.put(image_id, b"good data")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert tenant.objects(image_id) == {f"fast/{image_id}": b"another image"}
    assert tenant.put(image_id, b"good data").status == 204
    assert (tenant.get(image_id).body, house.content("fast", image_id)) == (b"good data", b"another image")
    fast.delete(image_id)
    assert list(tenant.objects(image_id).values()) == [b"good data"]
