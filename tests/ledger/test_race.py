"""Law 4 under threads and processes: whoever comes at once, the limit is not passed by a byte, and it is met."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import subprocess
import sys
import threading

import pytest

from imgstore import errors
from imgstore.limits import Allowance
from imgstore.sql import Charge, Database, SqlLedger
from tests.ledger.conftest import OWNER, STORE, assert_sums, ledger_with, new_attempt

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


def test_processes_and_threads_fill_the_limit_and_do_not_pass_it(ledger_url: str, database: Database) -> None:
    ledger = SqlLedger(ledger_url)
    commands = [[sys.executable, "-c", WORKER, ledger_url, str(seed), str(LIMIT)] for seed in range(3)]
    workers = [subprocess.Popen(each, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for each in commands]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        while any(worker.poll() is None for worker in workers):
            assert ledger.account(OWNER).taken <= LIMIT
        results = [json.loads(worker.communicate()[0]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    settled, refused = ([size for result in results for size in result[kind]] for kind in (0, 1))
    assert refused, "the limit was never reached: the test proves nothing"
    assert ledger.account(OWNER) == Charge(used=sum(settled))
    assert LIMIT - sum(settled) < max(refused)
    ledger.close()


def test_first_uses_of_an_account_at_once_open_it_once(ledger_url: str, database: Database) -> None:
    with contextlib.closing(ledger_with(ledger_url, Allowance(size=THREADS))) as ledger:
        for owner in ("a", "b", "c"):
            outcomes: list[str] = []
            barrier = threading.Barrier(2 * THREADS)

            def run(owner: str = owner, outcomes: list[str] = outcomes, barrier: threading.Barrier = barrier) -> None:
                barrier.wait(30)
                try:
                    ledger.reserve(new_attempt(owner), STORE, 1)
                    outcomes.append("held")
                except errors.QuotaExceeded:
                    outcomes.append("refused")

            threads = [threading.Thread(target=run) for _ in range(2 * THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(outcomes) == ["held"] * THREADS + ["refused"] * THREADS
            assert ledger.account(owner) == Charge(held=THREADS, uploads=THREADS)


def test_law_4_uploads_to_several_stores_fill_their_number_and_do_not_pass_it(
    ledger_url: str, database: Database
) -> None:
    """Each thread leaves a store out, in another order than the others, and counts as one upload up to the last."""
    limit = THREADS // 2
    with contextlib.closing(ledger_with(ledger_url, Allowance(uploads=limit))) as ledger:
        outcomes: list[str] = []
        barrier = threading.Barrier(THREADS)
        orders = list(itertools.permutations((STORE, "slow", "aside")))

        def run(number: int) -> None:
            attempt, refused = new_attempt(), False
            barrier.wait(30)
            try:
                holds = {store: ledger.reserve(attempt, store, 1) for store in orders[number]}
            except errors.QuotaExceeded:
                refused = True
            outcomes.append("refused" if refused else "held")
            barrier.wait(30)
            for store in () if refused else orders[-number][:2]:
                holds[store].release()
            barrier.wait(30)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["held"] * limit + ["refused"] * (THREADS - limit)
        assert ledger.account(OWNER) == Charge(held=limit, uploads=limit)


@pytest.mark.parametrize("seed", range(3))
def test_any_interleaving_of_steps_keeps_the_accounts(ledger_url: str, database: Database, seed: int) -> None:
    """Threads settle, release, delete and forget the same few objects over and over, while others extend them."""
    with contextlib.closing(ledger_with(ledger_url, Allowance())) as ledger:
        attempts = [new_attempt(owner) for owner in ("a", "b") for _ in range(2)]

        def run(number: int) -> None:
            choose = random.Random(seed * 100 + number)
            for _ in range(15):
                attempt = choose.choice(attempts)
                step(ledger, attempt, choose)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert_sums(database)


def step(ledger: SqlLedger, attempt: object, choose: random.Random) -> None:
    from imgstore.model import Attempt
    from imgstore.sql import ObjectId

    assert isinstance(attempt, Attempt)
    object_id = ObjectId(choose.choice((STORE, "slow")), attempt.key)
    with contextlib.suppress(errors.CatalogUnavailable, errors.ImageGone):  # held already, or taken away
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
