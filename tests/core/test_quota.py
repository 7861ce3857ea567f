"""Held: a quota is exact under threads, to the byte, for declared and unknown sizes; ended once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial

import pytest

from imgstore import errors
from imgstore.model import Attempt, Location, UploadRequest
from imgstore.quota import Account, MemoryQuota, capacity_refusal, quota_refusal
from imgstore.testing.concurrency import at_once
from tests.core.world import OWNER, World

LIMIT = 100_000
THREADS = 16


def attempt_of(owner: str) -> Attempt:
    return Attempt("image", 1, owner, "raw", "bare")


PLACE = Location("fast", "image", "")


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("rule", ["quota", "capacity"])
def test_uploads_at_once_never_pass_the_limit_and_fill_it(rule: str, declared: bool) -> None:
    world = World(limit=LIMIT) if rule == "quota" else World(capacities={"fast": LIMIT})
    account = world.ledger.account(OWNER) if rule == "quota" else world.driver.storage.account
    refused: list[int] = []

    def upload_some(number: int) -> None:
        choose = random.Random(number)
        for index in range(8):
            image, size = f"i-{number}-{index}", choose.randint(1, 3000)
            world.rows.create(image, owner=OWNER)
            try:
                with world.service.begin(UploadRequest(image, size=size if declared else None)) as session:
                    for _ in range(size):
                        session.write(b"x")
                    session.finish()
            except (errors.QuotaExceeded, errors.StoreFull):
                refused.append(size)

    at_once([partial(upload_some, number) for number in range(THREADS)])
    stored = sum(info.size for info in world.driver.objects())
    assert (account.used, account.held) == (stored, 0)
    assert stored <= LIMIT
    assert refused, "the limit was never reached: the test proves nothing"


@pytest.mark.parametrize(
    ("refusal", "error"), [(quota_refusal, errors.QuotaExceeded), (capacity_refusal, errors.StoreFull)]
)
def test_account_is_full_to_the_byte_under_threads(
    refusal: Callable[[int, int, int], errors.ImgstoreError], error: type[errors.ImgstoreError]
) -> None:
    """Room left at the end is smaller than the smallest refusal, since nothing is given back in this race."""
    account = Account(LIMIT, refusal=refusal)
    refused: list[int] = []

    def hold_some(number: int) -> None:
        choose = random.Random(number)
        for _ in range(200):
            size = choose.randint(1, 200)
            try:
                hold = account.reserve(size if choose.random() < 0.5 else None)
                hold.extend_to(size)
            except error:
                refused.append(size)
            else:
                hold.settle(size)

    at_once([partial(hold_some, number) for number in range(THREADS)])
    assert account.held == 0
    assert refused
    assert LIMIT - account.used < min(refused)
    assert account.used <= LIMIT


class Watched(int):
    """A limit: while it is compared, `meanwhile` is done on another thread, as far as that gets in a moment."""

    meanwhile: Callable[[], None]
    threads: list[threading.Thread]

    def __lt__(self, other: int) -> bool:
        if not self.threads:
            self.threads.append(threading.Thread(target=self.meanwhile))
            self.threads[0].start()
            self.threads[0].join(0.1)
        return int(self) < other


def test_nobody_gets_between_the_comparison_and_the_hold() -> None:
    limit = Watched(10)
    account, refused = Account(limit), list[int]()

    def meanwhile() -> None:
        try:
            account.reserve(6)
        except errors.QuotaExceeded:
            refused.append(6)

    limit.meanwhile, limit.threads = meanwhile, []
    account.reserve(6)
    limit.threads[0].join()
    assert (account.held, refused) == (6, [6])


def test_settle_for_less_gives_the_rest_back_and_never_more() -> None:
    account = Account(10)
    ended = account.reserve(10)
    ended.settle(3)
    ended.extend_to(11)
    assert (account.used, account.held) == (3, 0)
    account.reserve(7).release()
    account.give_back(100)
    assert account.used == 0
    with pytest.raises(errors.QuotaExceeded):
        account.reserve(11)


def test_none_is_no_limit_and_zero_is_no_room() -> None:
    Account(None).reserve(10**18)
    Account(0).reserve(0)
    with pytest.raises(errors.QuotaExceeded):
        Account(0).reserve(1)


def test_owners_have_accounts_of_their_own_opened_once() -> None:
    asked: list[str] = []

    def used_by(owner: str) -> int:
        asked.append(owner)
        return 5

    quota = MemoryQuota({"a": 10, "b": None}.get, used_by=used_by)
    at_once([lambda: quota.reserve(attempt_of("a"), "fast", 1).release()] * THREADS)
    assert asked == ["a"]
    quota.reserve(attempt_of("b"), "fast", 10**12)
    with pytest.raises(errors.QuotaExceeded):
        quota.reserve(attempt_of("a"), "fast", 6)
    quota.give_back("a", PLACE, 5)
    quota.reserve(attempt_of("a"), "fast", 6)


def test_image_deleted_before_the_account_is_opened_is_not_given_back_twice() -> None:
    quota = MemoryQuota(lambda owner: 100, used_by=lambda owner: 60)  # the deleted image is not among the 60 any more
    quota.give_back("project", PLACE, 40)
    assert quota.account("project").used == 60
    with pytest.raises(errors.QuotaExceeded):
        quota.reserve(attempt_of("project"), "fast", 41)


def test_contained_a_limit_that_hangs_holds_up_no_other_owner() -> None:
    asked, goes_on = threading.Event(), threading.Event()

    def limit_of(owner: str) -> int:
        if owner == "a":
            asked.set()
            assert goes_on.wait(30)
        return 10

    quota = MemoryQuota(limit_of)
    hung = threading.Thread(target=quota.account, args=("a",))
    hung.start()
    assert asked.wait(30)
    other = threading.Thread(target=quota.account, args=("b",))
    other.start()
    other.join(10)
    assert not other.is_alive()
    goes_on.set()
    hung.join()
    other.join()
