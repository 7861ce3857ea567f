"""Only the owner acts: activation refused, activation of unknown outcome, attempts that lost their image."""

from __future__ import annotations

import logging

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.model import Attempt
from imgstore.transfers.session import GATHER, UploadSession
from tests.core.conftest import Host
from tests.core.faults import Connection, Unsure
from tests.core.world import DOWN, IMAGE, NAMES, OWNER, World

BODY = b"the winner's data"


class AsksOnlyWhenItMustBeCertain(MemoryCatalog):
    """As one to which a question is dear."""

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        if certain:
            super().confirm(attempt)


@pytest.mark.parametrize("again", [False, True])
def test_attempt_that_lost_its_image_commits_nowhere(host: Host, again: bool) -> None:
    world = host(rows=AsksOnlyWhenItMustBeCertain())
    with world.begin() as session:
        session.write(BODY)
        world.rows.delete(IMAGE)
        if again:
            world.rows.create(IMAGE, owner=OWNER)
        with pytest.raises(errors.ImageGone) as caught:
            session.finish()
    assert caught.value.status == 410
    assert world.called("commit") == []
    world.assert_nothing_left()


def test_attempt_that_lost_its_image_learns_it_while_bytes_flow(world: World) -> None:
    with world.begin() as session:
        session.write(bytes(GATHER))
        world.rows.delete(IMAGE)
        with pytest.raises(errors.ImageGone):
            session.write(bytes(GATHER))
    world.assert_nothing_left()


def test_image_deleted_during_the_commit_is_gone_and_nothing_is_left(world: World) -> None:
    """After the catalog was asked whether the attempt owns it."""
    driver = world.drivers[world.names[-1]]
    driver.hooks["committed"] = lambda: world.rows.delete(IMAGE)
    with pytest.raises(errors.ImageGone):
        world.upload([BODY])
    assert world.called("delete") == list(world.names)
    world.assert_nothing_left()


class MayBeAway(MemoryCatalog):
    away = False

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        if self.away:
            raise Connection
        super().confirm(attempt, certain=certain)


@pytest.mark.parametrize("refused", ["write", "commit"])
@pytest.mark.parametrize("image", ["lost", "owned", "unknown"])
def test_store_is_blamed_for_what_it_refuses_unless_the_image_is_lost(refused: str, image: str) -> None:
    rows = MayBeAway()
    world = World(rows=rows)

    def refuse() -> None:
        if image == "lost":
            taken_over(world)
        rows.away = image == "unknown"
        raise errors.StoreUnavailable("NoSuchUpload")

    world.driver.hooks[refused] = refuse
    with pytest.raises(errors.ImageGone if image == "lost" else errors.StoreUnavailable) as caught:
        world.upload([BODY])
    told = caught.value.__context__ if image == "lost" else caught.value
    assert "NoSuchUpload" in str(told), "the log tells what the store said"
    rows.away = False
    world.assert_untouched()


def test_what_is_not_found_while_writing_is_blamed_on_the_store() -> None:
    for hook in ("write", "commit"):
        world = World()
        world.driver.fails(hook, errors.ObjectNotFound("no such bucket"))
        with pytest.raises(errors.StoreUnavailable) as caught:
            world.upload([BODY])
        assert (caught.value.status, caught.value.store) == (503, "fast")
        world.assert_untouched()


@pytest.mark.parametrize("changed", [True, False])
def test_lost_answer_keeps_and_counts_all_objects_or_none(
    host: Host, changed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rows = Unsure(changed=changed)
    world = host(rows=rows)
    with pytest.raises(errors.CatalogUnavailable) as caught:
        world.upload([BODY])
    assert caught.value.retryable
    assert "password" not in f"{caught.value} {caught.value.detail} {caplog.text}"
    rows.healthy = True
    if changed:
        world.assert_active(BODY)
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
    else:
        world.assert_untouched()


@pytest.mark.parametrize("changed", [True, False])
def test_catalog_gone_altogether_keeps_the_objects_and_their_room(
    host: Host, changed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can say whether the image is active: an orphan that is counted is better than lost data."""
    world = host(rows=Unsure(changed=changed, gone=True))
    with pytest.raises(errors.CatalogUnavailable):
        world.upload([BODY])
    assert world.objects == {f"{name}/{IMAGE}": BODY for name in world.names}
    assert world.quota == (len(BODY) * len(world.names), 0)
    assert "password" not in caplog.text
    assert world.status == ("active" if changed else "saving")


def test_failure_before_the_catalog_is_asked_needs_no_word_of_it() -> None:
    """A commit that fails is removed from the others although the catalog is away: the image cannot be active."""
    world = World(*NAMES, rows=Unsure(changed=False, gone=True))
    world.drivers["far"].fails("commit", DOWN)
    with pytest.raises(errors.StoreUnavailable):
        world.upload([BODY])
    world.assert_nothing_left()


def test_image_created_again_under_its_identifier_repeats_no_attempt() -> None:
    world = World()
    zombie = world.begin()
    zombie.write(b"zombie")
    world.rows.delete(IMAGE)
    world.rows.create(IMAGE, owner=OWNER)
    winner = world.begin()
    assert winner.attempt.key != zombie.attempt.key
    winner.write(BODY)
    with pytest.raises(errors.ImageGone):
        zombie.finish()
    winner.finish()
    world.assert_active(BODY)


def taken_over(world: World) -> None:
    """What an operator does after a crash: the image goes back to queued while the old attempt still runs."""
    row = world.rows.find(IMAGE)
    assert row.status == "saving"
    world.rows.release(Attempt(IMAGE, 1, OWNER, "raw", "bare"))


@pytest.mark.parametrize("zombie_end", ["finish", "abort", "refusal"])
@pytest.mark.parametrize("first", ["zombie", "winner"])
def test_zombie_cannot_harm_the_winner(first: str, zombie_end: str) -> None:
    world = World()
    zombie = world.begin()
    zombie.write(b"zombie")
    taken_over(world)
    winner = world.begin()
    winner.write(BODY)
    if first == "winner":
        winner.finish()
    end_zombie(zombie_end, zombie)
    if first == "zombie":
        assert world.status == "saving", "the zombie gave back what it did not own"
        winner.finish()
    world.assert_active(BODY)


def end_zombie(how: str, zombie: UploadSession) -> None:
    if how == "abort":
        zombie.abort()
        return
    if how == "refusal":
        with pytest.raises(errors.UsageError):
            zombie.write("no bytes")  # type: ignore[arg-type]  # any failure will do
        return
    with pytest.raises(errors.ImageGone):
        zombie.finish()


def test_concurrent_begin_has_one_owner(world: World) -> None:
    session = world.begin()
    with pytest.raises(errors.ImageConflict) as caught:
        world.begin()
    assert caught.value.status == 409
    session.abort()
    world.assert_untouched()


def test_object_in_the_way_is_left_alone_and_not_the_clients_fault() -> None:
    """A catalog restored from a backup repeats its numbers; the retry, under the next key, succeeds."""
    world = World()
    world.driver.storage.create(IMAGE, b"somebody else's")
    with pytest.raises(errors.StoreUnavailable, match="another object") as refused:
        world.upload([b"data"])
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    assert world.objects == {f"fast/{IMAGE}": b"somebody else's"}
    assert world.upload([b"data"]).locations[0].key == f"{IMAGE}.2"
