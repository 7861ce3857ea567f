"""Slabs: uploads of unknown size ask seldom, and nobody is refused for what they set aside and have not written."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from imgstore import errors
from imgstore.limits import Allowance
from imgstore.model import MIB
from imgstore.quota import Hold
from imgstore.sql import Charge, Database, SqlLedger
from imgstore.sql.ledger.hold import LARGEST_SLAB, SMALLEST_SLAB
from tests.ledger.conftest import OWNER, STORE, ledger_with, new_attempt

ROOM = 4 * SMALLEST_SLAB


@pytest.fixture
def roomy(ledger_url: str, database: Database) -> Iterator[SqlLedger]:
    """A limit with room for just one smallest slab, once."""
    with contextlib.closing(ledger_with(ledger_url, Allowance(size=ROOM))) as opened:
        yield opened


@pytest.fixture
def another(ledger_url: str, roomy: SqlLedger) -> Iterator[SqlLedger]:
    """Another process's."""
    with contextlib.closing(ledger_with(ledger_url, Allowance(size=ROOM))) as opened:
        yield opened


def test_unlimited_upload_asks_seldom(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 GiB in chunks of 64 KiB: 16,384 of them, and a few dozen extensions."""
    with contextlib.closing(SqlLedger(ledger_url)) as ledger:
        asked: list[int] = []
        extend = ledger.extend

        def counted(hold: object, total: int, spare: int) -> int:
            asked.append(spare)
            return extend(hold, total, spare)  # type: ignore[arg-type]  # handed on

        monkeypatch.setattr(ledger, "extend", counted)
        hold = ledger.reserve(new_attempt(), STORE, None)
        for total in range(MIB // 16, 1024 * MIB + 1, MIB // 16):
            hold.extend_to(total)
        assert len(asked) < 50
        assert max(asked) == LARGEST_SLAB
        hold.settle(1024 * MIB)
        assert ledger.account(OWNER) == Charge(used=1024 * MIB)


def test_slab_leaves_three_times_as_much_for_others(roomy: SqlLedger) -> None:
    hold = roomy.reserve(new_attempt(), STORE, None)
    hold.extend_to(0)
    assert roomy.account(OWNER).held == 0, "nothing was asked for"
    hold.extend_to(1)
    assert roomy.account(OWNER).held == 1, "a slab would leave less than three for others"


def with_a_slab(ledger: SqlLedger) -> Hold:
    """A hold of one byte, and a slab that was taken while there was room: the limit fell afterwards, say."""
    hold = ledger.reserve(new_attempt(), STORE, None)
    limits, ledger._limits = ledger._limits, type(ledger._limits)()
    hold.extend_to(1)
    ledger._limits = limits
    assert SMALLEST_SLAB + 1 in {entry.size for entry in ledger.held()}
    return hold


@pytest.mark.parametrize("where", ["same process", "another process"])
@pytest.mark.parametrize("known", [True, False])
def test_slack_is_given_back_to_whoever_needs_it(roomy: SqlLedger, another: SqlLedger, where: str, known: bool) -> None:
    """The session that has the spare does nothing meanwhile: its client has stalled."""
    first = with_a_slab(roomy)
    ledger = roomy if where == "same process" else another
    second = ledger.reserve(new_attempt(), STORE, ROOM - 1 if known else None)
    second.extend_to(ROOM - 1)
    assert roomy.account(OWNER).held == ROOM
    with pytest.raises(errors.QuotaExceeded):
        first.extend_to(2)
    second.release()
    first.extend_to(ROOM)
    first.settle(ROOM)
    assert roomy.account(OWNER) == Charge(used=ROOM)


def test_refusal_that_no_slack_would_prevent_is_immediate(ledger_url: str, database: Database) -> None:
    """Its patience is longer than the test's."""
    with contextlib.closing(ledger_with(ledger_url, Allowance(size=ROOM), patience=10_000)) as ledger:
        with_a_slab(ledger)
        with pytest.raises(errors.QuotaExceeded):
            ledger.reserve(new_attempt(), STORE, ROOM)


def test_slack_of_a_dead_process_is_waited_for_in_vain(ledger_url: str, database: Database) -> None:
    with contextlib.closing(ledger_with(ledger_url, Allowance(size=ROOM), patience=0.2)) as ledger:
        dead = ledger_with(ledger_url, Allowance(size=ROOM))
        with_a_slab(dead)
        dead._keeper.close()
        with pytest.raises(errors.QuotaExceeded):
            ledger.reserve(new_attempt(), STORE, ROOM - 1)
        ledger.reserve(new_attempt(), STORE, ROOM - 1 - SMALLEST_SLAB)
        dead.close()


@pytest.mark.parametrize("limit", ["project", "project in store", "store"])
def test_uploads_of_unknown_size_that_need_each_others_slack_do_not_wait_for_each_other(
    ledger_url: str, database: Database, limit: str
) -> None:
    """Two with a slab each, both to the limit: one of them has all the room, at once, the other none."""
    size = 4 * SMALLEST_SLAB
    allowances = {
        "project": (Allowance(size=size), None, None),
        "project in store": (Allowance(), Allowance(size=size), None),
        "store": (Allowance(), None, size),
    }
    default, in_store, capacity = allowances[limit]
    with contextlib.ExitStack() as stack:
        ledgers = [
            stack.enter_context(contextlib.closing(ledger_with(
                ledger_url, default, in_store=in_store, capacity=capacity, patience=10_000
            )))
            for _ in range(2)
        ]  # fmt: skip
        written = filled_at_once([with_a_slab(ledger) for ledger in ledgers])
        assert size - sum(written) < SMALLEST_SLAB // 8
        assert ledgers[0].account(OWNER) == Charge(used=sum(written))


def filled_at_once(holds: list[Hold]) -> list[int]:
    """Each hold is extended, in steps, until it is refused; what was granted, and settled."""
    written = [1] * len(holds)

    def fill(number: int) -> None:
        with contextlib.suppress(errors.QuotaExceeded, errors.StoreFull):
            while True:
                holds[number].extend_to(written[number] + SMALLEST_SLAB // 8)
                written[number] += SMALLEST_SLAB // 8

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(len(holds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for hold, total in zip(holds, written, strict=True):
        hold.settle(total)
    return written


def test_thread_is_there_only_while_there_is_something_to_keep(roomy: SqlLedger) -> None:
    hold = roomy.reserve(new_attempt(), STORE, 1)
    assert "imgstore-quota" in {thread.name for thread in threading.enumerate()}
    hold.settle(1)
    deadline = time.monotonic() + 30
    while "imgstore-quota" in {thread.name for thread in threading.enumerate()}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
