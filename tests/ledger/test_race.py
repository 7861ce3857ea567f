"""Exact under threads and processes: whoever comes at once, the limit is not passed by a byte, and it is met."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import threading
from functools import partial

import pytest

from imgstore import errors
from imgstore.limits import Allowance
from imgstore.model import Attempt
from imgstore.sql import Charge, Database, ObjectId, SqlLedger
from tests.ledger.conftest import OWNER, STORE, Ledgers, new_attempt
from tests.support.database_fixtures import EACH_DATABASE
from tests.support.race import Processes, together

LIMIT = 3000
THREADS = 6

WORKER = """
import json, random, sys, threading
from imgstore import errors
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import Attempt
from imgstore.sql import SqlLedger
url, seed = sys.argv[1], int(sys.argv[2])
ledger = SqlLedger(url, FixedLimits(Allowance(size=int(sys.argv[3]))), tick=0.05)
settled, refused = [], []
def run(thread):
    choose = random.Random(seed * 100 + thread)
    for number in range(6):
        size, known = choose.randint(1, 200), choose.random() < 0.5
        hold = None
        try:
            attempt = Attempt(f"{seed}-{thread}-{number}", 1, "project", "raw", "bare")
            hold = ledger.reserve(attempt, "fast", size if known else None)
            for total in range(0, size, 40):
                hold.extend_to(total)
            hold.extend_to(size)
            hold.settle(size)
            settled.append(size)
        except errors.QuotaExceeded:
            refused.append(size)
            if hold is not None:
                hold.release()
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=run, args=(thread,)) for thread in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ledger.close()
print(json.dumps([settled, refused]))
"""


@pytest.mark.parametrize("database_kind", EACH_DATABASE, indirect=True)
def test_processes_and_threads_fill_the_limit_and_do_not_pass_it(database: Database) -> None:
    ledger = SqlLedger(database)
    url = database.address.url.render_as_string(hide_password=False)
    with Processes(WORKER, *((url, str(seed), str(LIMIT)) for seed in range(2))) as workers:
        workers.go()
        while workers.running:
            assert ledger.account(OWNER).taken <= LIMIT
        results = [json.loads(output) for output in workers.output()]
    settled, refused = ([size for result in results for size in result[kind]] for kind in (0, 1))
    assert refused, "the limit was never reached: the test proves nothing"
    assert ledger.account(OWNER) == Charge(used=sum(settled))
    assert LIMIT - sum(settled) < max(refused)


def test_first_uses_of_an_account_at_once_open_it_once(ledgers: Ledgers) -> None:
    ledger = ledgers(Allowance(size=THREADS))
    for owner in ("a", "b", "c"):
        found = together(*(partial(ledger.reserve, new_attempt(owner), STORE, 1) for _ in range(2 * THREADS)))
        assert found.count(errors.QuotaExceeded) == THREADS
        assert ledger.account(owner) == Charge(held=THREADS, uploads=THREADS)


def test_uploads_to_several_stores_fill_their_number_and_do_not_pass_it(ledgers: Ledgers) -> None:
    """Each thread leaves stores out, in another order than the others, and counts as one upload up to the last."""
    limit = THREADS // 2
    ledger = ledgers(Allowance(uploads=limit))
    orders = list(itertools.permutations((STORE, "slow", "aside")))
    all_have_tried = threading.Barrier(THREADS)

    def run(number: int) -> bool:
        attempt, held = new_attempt(), []
        with contextlib.suppress(errors.QuotaExceeded):
            held = [ledger.reserve(attempt, store, 1) for store in orders[number]]
        all_have_tried.wait(60)
        for hold in held[number % 2 :][:2]:
            hold.release()
        return bool(held)

    held = together(*(partial(run, number) for number in range(THREADS)))
    assert held.count(True) == limit
    assert held.count(False) == THREADS - limit
    assert ledger.account(OWNER) == Charge(held=limit, uploads=limit)


def test_any_interleaving_of_steps_keeps_the_accounts(ledgers: Ledgers) -> None:
    """Threads settle, release, delete and forget the same few objects over and over, while others extend them. The
    accounts are looked at by `database`."""
    ledger = ledgers()
    for seed in range(3):
        attempts = [new_attempt(owner) for owner in ("a", "b") for _ in range(2)]

        def run(number: int, attempts: list[Attempt] = attempts, seed: int = seed) -> None:
            choose = random.Random(seed * 100 + number)
            for _ in range(15):
                with contextlib.suppress(errors.CatalogUnavailable, errors.ImageGone):  # held already, or taken away
                    step(ledger, choose.choice(attempts), choose)

        assert together(*(partial(run, number) for number in range(THREADS))) == [None] * THREADS


def step(ledger: SqlLedger, attempt: Attempt, choose: random.Random) -> None:
    object_id = ObjectId(choose.choice((STORE, "slow")), attempt.key)
    match choose.randrange(6):
        case 0:
            ledger.reserve(attempt, object_id.store, choose.randrange(100))
        case 1:
            ledger.reserve(attempt, object_id.store, None).extend_to(choose.randrange(100))
        case 2:
            ledger.settle(object_id, choose.randrange(50))
        case 3:
            ledger.release(object_id)
        case 4:
            ledger.remove_image(attempt.image_id)
        case _:
            ledger.forget(object_id)
