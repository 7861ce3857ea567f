"""Law 4, quota is a hold: exact under threads, to the byte, for declared and unknown sizes; ended once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from imgstore import errors
from imgstore.drivers.memory import MemoryDriver
from imgstore.model import Attempt, Location, UploadRequest
from imgstore.quota import Account, MemoryQuota, capacity_refusal, quota_refusal
from tests.core.world import OWNER, World

LIMIT = 100_000
THREADS = 16


def attempt_of(owner: str) -> Attempt:
    return Attempt("image", 1, owner, "raw", "bare")


PLACE = Location("fast", "image", "")


def at_once(jobs: list[Callable[[], None]]) -> None:
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        barrier.wait(30)
        job()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("rule", ["quota", "capacity"])
def test_uploads_at_once_never_pass_the_limit_and_fill_it(rule: str, declared: bool) -> None:
    driver = MemoryDriver(capacity=LIMIT if rule == "capacity" else None)
    world = World(driver=driver, limit=LIMIT if rule == "quota" else None)
    account = driver.storage.account if rule == "capacity" else world.ledger.account(OWNER)
    refused: list[int] = []

    def job(number: int) -> Callable[[], None]:
        choose = random.Random(number)
        sizes = [choose.randint(1, 3000) for _ in range(8)]
        for index in range(len(sizes)):
            world.rows.create(f"i-{number}-{index}", owner=OWNER)

        def run() -> None:
            for index, size in enumerate(sizes):
                request = UploadRequest(f"i-{number}-{index}", size=size if declared else None)
                try:
                    with world.service.begin(request) as session:
                        for _ in range(size):
                            session.write(b"x")
                        session.finish()
                except (errors.QuotaExceeded, errors.StoreFull):
                    refused.append(size)

        return run

    at_once([job(number) for number in range(THREADS)])
    stored = sum(info.size for info in driver.objects())
    assert (account.used, account.held) == (stored, 0)
    assert stored <= LIMIT
    assert refused, "the limit was never reached: the test proves nothing"


@pytest.mark.parametrize("refusal", [quota_refusal, capacity_refusal])
def test_account_is_full_to_the_byte_under_threads(refusal: Callable[[int, int, int], errors.ImgstoreError]) -> None:
    """Room left at the end is smaller than the smallest refusal, since nothing is given back in this race."""
    account = Account(LIMIT, refusal=refusal)
    refused: list[int] = []

    def job(number: int) -> Callable[[], None]:
        choose = random.Random(number)

        def run() -> None:
            for _ in range(200):
                size = choose.randint(1, 200)
                known = choose.random() < 0.5
                try:
                    hold = account.reserve(size if known else None)
                    hold.extend_to(size)
                except (errors.QuotaExceeded, errors.StoreFull):
                    refused.append(size)
                else:
                    hold.settle(size)

        return run

    at_once([job(number) for number in range(THREADS)])
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


def test_law_4_nobody_gets_between_the_comparison_and_the_hold() -> None:
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


def test_every_byte_of_a_tiny_race_is_counted() -> None:
    account = Account(1000)
    granted: list[int] = []

    def run() -> None:
        hold = account.reserve(None)
        for total in range(1, 1002):
            try:
                hold.extend_to(total)
            except errors.QuotaExceeded:
                hold.settle(total - 1)
                granted.append(total - 1)
                return

    at_once([run] * THREADS)
    assert sum(granted) == account.used == 1000


def test_hold_keeps_what_it_held_when_more_is_refused() -> None:
    account = Account(10)
    hold = account.reserve(6)
    with pytest.raises(errors.QuotaExceeded, match="6 are in use or being uploaded, and 5 more"):
        hold.extend_to(11)
    assert (account.held, account.used) == (6, 0)
    hold.extend_to(3)
    assert account.held == 6
    hold.settle(6)
    assert (account.held, account.used) == (0, 6)


@pytest.mark.parametrize("second", ["settle", "release", "extend"])
@pytest.mark.parametrize("first", ["settle", "release"])
def test_hold_ends_once(first: str, second: str) -> None:
    account = Account(10)
    hold = account.reserve(6)
    ends: dict[str, Callable[[], None]] = {
        "settle": lambda: hold.settle(4),
        "release": hold.release,
        "extend": lambda: hold.extend_to(9),
    }
    ends[first]()
    ends[second]()
    assert (account.held, account.used) == (0, 4 if first == "settle" else 0)


def test_settle_for_less_gives_the_rest_back() -> None:
    account = Account(10)
    account.reserve(10).settle(3)
    assert account.used == 3
    account.reserve(7).release()


def test_give_back_never_goes_below_nothing() -> None:
    account = Account(10, used=4)
    account.give_back(100)
    assert account.used == 0


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


def test_refusals_tell_their_kind() -> None:
    assert isinstance(quota_refusal(1, 2, 3), errors.QuotaExceeded)
    assert isinstance(capacity_refusal(1, 2, 3), errors.StoreFull)


def test_image_deleted_before_the_account_is_opened_is_not_given_back_twice() -> None:
    quota = MemoryQuota(lambda owner: 100, used_by=lambda owner: 60)  # the deleted image is not among the 60 any more
    quota.give_back("project", PLACE, 40)
    assert quota.account("project").used == 60
    with pytest.raises(errors.QuotaExceeded):
        quota.reserve(attempt_of("project"), "fast", 41)
