"""Slabs: uploads of unknown size ask seldom, and nobody is refused for what they set aside and have not written."""

from __future__ import annotations

import contextlib
import threading
from functools import partial

import pytest

from imgstore import errors
from imgstore.limits import NO_LIMITS, Allowance
from imgstore.model import MIB
from imgstore.quota import Hold
from imgstore.sql import Charge, SqlLedger
from imgstore.sql.ledger.hold import LARGEST_SLAB, SMALLEST_SLAB
from tests.ledger.conftest import OWNER, STORE, Ledgers, new_attempt
from tests.support.race import together
from tests.support.waiting import until

SIZE = 4 * SMALLEST_SLAB
ROOMY = Allowance(size=SIZE)
"""A limit with room for just one smallest slab, once."""


def test_unlimited_upload_asks_seldom(ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 GiB in chunks of 64 KiB: 16,384 of them, and a few dozen extensions."""
    ledger, asked = ledgers(), list[int]()
    extend = ledger.extend

    def counted(hold: object, total: int, spare: int) -> int:
        asked.append(spare)
        return extend(hold, total, spare)  # type: ignore[arg-type]  # the arguments are those of the real method

    monkeypatch.setattr(ledger, "extend", counted)
    hold = ledger.reserve(new_attempt(), STORE, None)
    for total in range(MIB // 16, 1024 * MIB + 1, MIB // 16):
        hold.extend_to(total)
    assert len(asked) < 50
    assert max(asked) == LARGEST_SLAB
    hold.settle(1024 * MIB)
    assert ledger.account(OWNER) == Charge(used=1024 * MIB)


def test_slab_leaves_three_times_as_much_for_others(ledgers: Ledgers) -> None:
    ledger = ledgers(ROOMY)
    hold = ledger.reserve(new_attempt(), STORE, None)
    hold.extend_to(0)
    assert ledger.account(OWNER).held == 0, "nothing was asked for"
    hold.extend_to(1)
    assert ledger.account(OWNER).held == 1, "a slab would leave less than three for others"


def with_a_slab(ledger: SqlLedger, owner: str = OWNER) -> Hold:
    """A hold of one byte, and a slab that was taken before the limit fell, say."""
    hold = ledger.reserve(new_attempt(owner), STORE, None)
    limits, ledger.limits = ledger.limits, NO_LIMITS
    hold.extend_to(1)
    ledger.limits = limits
    assert ledger.account(owner).held >= SMALLEST_SLAB + 1
    return hold


@pytest.mark.parametrize("same_process", [True, False])
def test_spare_bytes_are_returned_to_whoever_needs_them(ledgers: Ledgers, same_process: bool) -> None:
    """The session that has them does nothing meanwhile: its client has stalled."""
    ledger = ledgers(ROOMY)
    asking = ledger if same_process else ledgers(ROOMY)
    for owner, known in (("a", True), ("b", False)):
        first = with_a_slab(ledger, owner)
        second = asking.reserve(new_attempt(owner), STORE, SIZE - 1 if known else None)
        second.extend_to(SIZE - 1)
        assert ledger.account(owner).held == SIZE
        with pytest.raises(errors.QuotaExceeded):
            first.extend_to(2)
        second.release()
        first.extend_to(SIZE)
        first.settle(SIZE)
        assert ledger.account(owner) == Charge(used=SIZE)


def test_refusal_that_no_spare_bytes_would_prevent_is_immediate(ledgers: Ledgers) -> None:
    """Its patience is longer than the test's."""
    ledger = ledgers(ROOMY, patience=10_000)
    with_a_slab(ledger)
    with pytest.raises(errors.QuotaExceeded):
        ledger.reserve(new_attempt(), STORE, SIZE)


def test_spare_bytes_of_a_dead_process_are_waited_for_in_vain(ledgers: Ledgers) -> None:
    ledger, dead = ledgers(ROOMY, patience=0.2), ledgers(ROOMY)
    with_a_slab(dead)
    dead._keeper.close()
    with pytest.raises(errors.QuotaExceeded):
        ledger.reserve(new_attempt(), STORE, SIZE - 1)
    ledger.reserve(new_attempt(), STORE, SIZE - 1 - SMALLEST_SLAB)


def filled(hold: Hold) -> int:
    """The hold is extended, in steps, until it is refused; what was granted."""
    written = 1
    with contextlib.suppress(errors.QuotaExceeded, errors.StoreFull):
        while True:
            hold.extend_to(written + SMALLEST_SLAB // 8)
            written += SMALLEST_SLAB // 8
    return written


@pytest.mark.parametrize("limit", ["project", "project in store", "store"])
def test_uploads_that_need_each_others_spare_bytes_do_not_wait_for_each_other(ledgers: Ledgers, limit: str) -> None:
    """Two of unknown size with a slab each, both to the limit: one has all there is, at once, the other none."""
    opened = {
        "project": partial(ledgers, ROOMY, patience=10_000),
        "project in store": partial(ledgers, in_store=ROOMY, patience=10_000),
        "store": partial(ledgers, capacity=SIZE, patience=10_000),
    }[limit]
    holds = [with_a_slab(opened()), with_a_slab(opened())]
    written = [int(str(total)) for total in together(*(partial(filled, hold) for hold in holds))]
    for hold, total in zip(holds, written, strict=True):
        hold.settle(total)
    assert SIZE - sum(written) < SMALLEST_SLAB // 8
    assert opened().account(OWNER) == Charge(used=sum(written))


def test_thread_is_there_only_while_there_is_something_to_keep(ledgers: Ledgers) -> None:
    hold = ledgers().reserve(new_attempt(), STORE, 1)
    assert "imgstore-holds" in {thread.name for thread in threading.enumerate()}
    hold.settle(1)
    until(lambda: "imgstore-holds" not in {thread.name for thread in threading.enumerate()})
