"""SEMANTICS of uploads: stores that are full, not writable, down; at their beginning, in the middle, at the commit."""

from __future__ import annotations

import errno

import pytest

from imgstore import errors
from imgstore.model import MIB
from tests.semantics.house import House, Tenant

FAULTY = ("X-Image-Meta-Store", "faulty")
CONTENT = bytes(3 * MIB)
SECRET = "/srv/secret"

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
    "holds something else": (errors.IntegrityError("The storage holds something else.", detail=SECRET), 503),
}
rows = pytest.mark.parametrize(("failure", "status"), ROWS.values(), ids=ROWS)


@rows
@pytest.mark.parametrize("point", ["open for writing", "write", "commit"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
def test_store_fails(tenant: Tenant, house: House, failure: Exception, status: int, point: str, chunked: bool) -> None:
    image_id = tenant.create()
    with house.faulty.failing(point, failure, after=MIB if point == "write" else 0):
        answer = tenant.put_framed(image_id, CONTENT, FAULTY, chunked=chunked)
    assert answer.status == status
    assert "retry-after" in answer.headers or status == 413
    assert "retry-after" not in answer.headers or status == 503
    assert answer.message.startswith("Store 'faulty': ")
    assert SECRET not in answer.message
    tenant.assert_refused_without_trace(image_id)


def test_the_retry_may_go_to_the_store_that_failed(tenant: Tenant, house: House) -> None:
    image_id = tenant.create()
    with house.faulty.failing("write", TimeoutError(), times=1):
        assert tenant.put(image_id, b"data", FAULTY).status == 503
        tenant.assert_no_trace(image_id)
        assert tenant.put(image_id, b"data", FAULTY).status == 204
    assert list(tenant.objects(image_id).values()) == [b"data"]


def test_store_full_says_so_as_glance_does(tenant: Tenant, house: House) -> None:
    image_id = tenant.create()
    with house.faulty.failing("write", OSError(errno.ENOSPC, "full")):
        answer = tenant.put(image_id, b"data", FAULTY)
    assert "Image storage media is full" in answer.message
    tenant.assert_refused_without_trace(image_id)


def test_store_that_cannot_add_is_410(tenant: Tenant, house: House) -> None:
    image_id = tenant.create()
    failure = errors.StoreReadOnly("Adding images to store is disabled.")
    with house.faulty.failing("open for writing", failure):
        assert tenant.put(image_id, b"data", FAULTY).status == 410
    tenant.assert_refused_without_trace(image_id)


def test_datadir_that_is_gone_is_503_until_it_is_back(tenant: Tenant, house: House) -> None:
    """A file system that is not mounted, say: nothing is written in its place."""
    image_id, slow = tenant.create(), ("X-Image-Meta-Store", "slow")
    with house.without_place("slow"):
        answers = [tenant.put(image_id, b"data", slow), tenant.put_chunks(image_id, [b"data"], slow)]
    assert [(answer.status, "retry-after" in answer.headers) for answer in answers] == [(503, True)] * 2
    tenant.assert_no_trace(image_id)
    assert tenant.put(image_id, b"data", slow).status == 204
    assert list(tenant.objects(image_id).values()) == [b"data"]
