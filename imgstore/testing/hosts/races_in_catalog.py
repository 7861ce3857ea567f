"""Each change of a catalog is one compare-and-set: of those who come at once, one wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from imgstore import errors
from imgstore.model import Attempt
from imgstore.testing.concurrency import at_once
from imgstore.testing.hosts.catalog_bench import CatalogBench, result

RACERS = 4
ROUNDS = 3


def winners(bench: CatalogBench, jobs: Sequence[Callable[[], Any]], *losses: type[errors.ImgstoreError]) -> list[Any]:
    """What the jobs returned that won; the others were refused with one of `losses`, or returned False."""
    won = []
    for outcome in at_once(jobs):
        if isinstance(outcome, errors.ImgstoreError):
            if not isinstance(outcome, losses):
                bench.catalog.fail(
                    f"raised {outcome!r} to one of several threads", f"{losses[0].__name__} to the losers"
                )
        elif outcome is not False:
            won.append(outcome)
    if len(won) != 1:
        bench.catalog.fail(f"let {len(won)} of {len(jobs)} threads win", "exactly one")
    return won


class RaceLaws:
    """Two threads or processes never both get, or both end, an image."""

    def test_one_of_many_begins(self, bench: CatalogBench) -> None:
        for _ in range(ROUNDS):
            upload = bench.upload_of(bench.subject.create())
            sides = [bench.catalog, bench.other] * (RACERS // 2)
            jobs = [partial(side.outcome, "begin", upload, ["fast"]) for side in sides]
            (attempt,) = winners(bench, jobs, errors.ImageConflict)
            bench.activate(attempt)
            bench.assert_active(attempt)

    def test_activation_and_release_have_one_outcome(self, bench: CatalogBench) -> None:
        """As when an answer was lost, and the session asks for its image back."""
        for _ in range(ROUNDS):
            attempt = bench.begun()
            release = partial(bench.other.outcome, "release", attempt)
            activate = partial(bench.catalog.outcome, "activate", attempt, result(attempt))
            (won,) = winners(bench, [activate, release, release, activate], errors.ImageGone)
            if won is True:
                bench.assert_queued(attempt.image_id)
            else:
                bench.assert_active(attempt)

    def test_release_gives_back_nothing_of_the_next_attempt(self, bench: CatalogBench) -> None:
        for _ in range(ROUNDS):
            first = bench.begun()
            begin = partial(bench.catalog.outcome, "begin", bench.upload_of(first.image_id), ["fast"])
            release = partial(bench.other.outcome, "release", first)
            outcomes = at_once([release, begin, release, begin])
            begun = [outcome for outcome in outcomes if isinstance(outcome, Attempt)]
            for did, times in (("released an attempt", outcomes.count(True)), ("granted an image", len(begun))):
                bench.catalog.must(be=times <= 1, did=f"{did} {times} times to threads", instead_of="once")
            for attempt in begun:
                bench.assert_status(attempt.image_id, "saving")
                bench.activate(attempt)
