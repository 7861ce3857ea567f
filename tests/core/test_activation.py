"""Law 8, only the owner acts: activation refused, activation of unknown outcome, attempts that lost their image."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest

from imgstore import errors
from imgstore.catalog import MemoryCatalog
from imgstore.driver import ObjectWriter
from imgstore.drivers.memory import MemoryDriver, MemoryWriter
from imgstore.model import Attempt, ObjectInfo, UploadRequest, UploadResult
from imgstore.transfers.session import GATHER, UploadSession
from tests.core.several import HookedStore
from tests.core.world import IMAGE, OWNER, World

BODY = b"the winner's data"


class Connection(Exception):
    """The database went away."""


class Unsure(MemoryCatalog):
    """A catalog whose answer to `activate` is lost, before or after the change; later it may be gone altogether."""

    def __init__(self, *, changed: bool, gone: bool = False) -> None:
        super().__init__()
        self.create(IMAGE, owner=OWNER)
        self._changed = changed
        self._gone = gone
        self.healthy = False

    def activate(self, attempt: Attempt, result: UploadResult) -> None:
        if self.healthy or self._changed:
            super().activate(attempt, result)
        if not self.healthy:
            raise Connection("postgres://user:password@host/")

    def release(self, attempt: Attempt, unremoved: Sequence[str] = ()) -> bool:
        if self._gone and not self.healthy:
            raise Connection("postgres://user:password@host/")
        return super().release(attempt, unremoved)


class DeletedAtCommit(MemoryDriver):
    """A store during whose commit the image is deleted: after the catalog was asked whether the attempt owns it."""

    world: World

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return _DeletingWriter(self, key)


class AsksOnlyWhenItMustBeCertain(MemoryCatalog):
    """As one to which a question is dear."""

    def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
        if certain:
            super().confirm(attempt)


class RefusesAfterwards(MemoryDriver):
    """A store that refuses the step `refused`, for the first time, once `before` has happened."""

    def __init__(self, refused: str, before: Callable[[], object]) -> None:
        super().__init__()
        self.refused = refused
        self.before = before
        self.failed = False

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return _RefusingWriter(self, key)


class _RefusingWriter(MemoryWriter):
    def __init__(self, driver: RefusesAfterwards, key: str) -> None:
        super().__init__(driver.storage, key)
        self._driver = driver

    def _write(self, chunk: bytes | memoryview) -> None:
        self._refuse("write")
        super()._write(chunk)

    def _commit(self) -> ObjectInfo:
        self._refuse("commit")
        return super()._commit()

    def _refuse(self, step: str) -> None:
        if step == self._driver.refused and not self._driver.failed:
            self._driver.failed = True
            self._driver.before()
            raise errors.StoreUnavailable("NoSuchUpload")


class _DeletingWriter(MemoryWriter):
    def __init__(self, driver: DeletedAtCommit, key: str) -> None:
        super().__init__(driver.storage, key)
        self._driver = driver

    def _commit(self) -> ObjectInfo:
        info = super()._commit()
        assert self._driver.storage.names() == {IMAGE}
        self._driver.world.rows.delete(IMAGE)
        return info


def world_on(rows: Unsure) -> World:
    world = World(catalog=rows)
    world.rows = rows
    return world


def test_image_deleted_meanwhile_is_gone_and_nothing_is_left() -> None:
    world = World()
    with world.begin() as session:
        session.write(BODY)
        world.rows.delete(IMAGE)
        with pytest.raises(errors.ImageGone) as caught:
            session.finish()
    assert caught.value.status == 410
    world.assert_nothing_left()


def test_attempt_that_lost_its_image_commits_nothing() -> None:
    driver = DeletedAtCommit()  # its commit leaves a trace
    rows = AsksOnlyWhenItMustBeCertain()
    rows.create(IMAGE, owner=OWNER)
    world = driver.world = World(driver=driver, catalog=rows)
    world.rows = rows
    with world.begin() as session:
        session.write(BODY)
        world.rows.delete(IMAGE)
        world.rows.create(IMAGE, owner=OWNER)
        with pytest.raises(errors.ImageGone):
            session.finish()
    assert world.status == "queued", "the commit deletes the image"
    world.assert_nothing_left()


def test_attempt_that_lost_its_image_learns_it_while_bytes_flow() -> None:
    world = World()
    with world.begin() as session:
        session.write(bytes(GATHER))
        world.rows.delete(IMAGE)
        with pytest.raises(errors.ImageGone):
            session.write(bytes(GATHER))
    world.assert_nothing_left()


@pytest.mark.parametrize("refused", ["write", "commit"])
def test_law_11_store_is_not_blamed_for_what_it_refuses_an_attempt_that_lost_its_image(refused: str) -> None:
    world = World(driver=RefusesAfterwards(refused, lambda: taken_over(world)))
    with pytest.raises(errors.ImageGone) as caught:
        world.upload([BODY])
    assert isinstance(caught.value.__context__, errors.StoreUnavailable), "the log tells what the store said"
    world.assert_untouched()


@pytest.mark.parametrize("refused", ["write", "commit"])
@pytest.mark.parametrize("away", [False, True])
def test_law_11_store_is_blamed_where_the_image_is_not_lost_or_nobody_can_tell(refused: str, away: bool) -> None:
    class Away(MemoryCatalog):
        def confirm(self, attempt: Attempt, *, certain: bool = True) -> None:
            if driver.failed and away:
                raise Connection
            super().confirm(attempt)

    driver = RefusesAfterwards(refused, lambda: None)
    rows = Away()
    rows.create(IMAGE, owner=OWNER)
    world = World(driver=driver, catalog=rows)
    world.rows = rows
    with pytest.raises(errors.StoreUnavailable, match="NoSuchUpload"):
        world.upload([BODY])
    away = False
    world.assert_untouched()


def test_image_deleted_during_the_commit_is_gone_and_nothing_is_left() -> None:
    driver = DeletedAtCommit()
    world = driver.world = World(driver=driver)
    with world.begin() as session:
        session.write(BODY)
        with pytest.raises(errors.ImageGone):
            session.finish()
    world.assert_nothing_left()


def test_lost_answer_after_the_change_keeps_the_object_and_counts_it(caplog: pytest.LogCaptureFixture) -> None:
    rows = Unsure(changed=True)
    world = world_on(rows)
    with pytest.raises(errors.CatalogUnavailable) as caught:
        world.upload([BODY])
    assert caught.value.retryable
    assert "password" not in f"{caught.value} {caught.value.detail} {caplog.text}"
    world.assert_active(BODY)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_lost_request_before_the_change_removes_the_object() -> None:
    rows = Unsure(changed=False)
    world = world_on(rows)
    with pytest.raises(errors.CatalogUnavailable):
        world.upload([BODY])
    rows.healthy = True
    world.assert_untouched()


@pytest.mark.parametrize("changed", [True, False])
def test_catalog_gone_altogether_keeps_the_object_and_its_room(changed: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can say whether the image is active: an orphan that is counted is better than lost data."""
    rows = Unsure(changed=changed, gone=True)
    world = world_on(rows)
    with pytest.raises(errors.CatalogUnavailable):
        world.upload([BODY])
    assert world.read() == BODY
    account = world.ledger.account(OWNER)
    assert (account.held, account.used) == (0, len(BODY))
    assert "password" not in caplog.text
    assert rows.find(IMAGE).status == ("active" if changed else "saving")


def test_attempts_never_share_a_key() -> None:
    world = World()
    keys = []
    for _ in range(5):
        session = world.begin()
        keys.append(session.attempt.key)
        session.abort()
    assert len(set(keys)) == 5
    assert keys[0] == IMAGE


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


def test_concurrent_begin_has_one_owner() -> None:
    world = World()
    session = world.begin()
    with pytest.raises(errors.ImageConflict) as caught:
        world.begin()
    assert caught.value.status == 409
    session.abort()
    world.assert_untouched()


def test_catalog_answers_in_its_order() -> None:
    rows = MemoryCatalog()
    rows.create("a", owner="p", disk_format=None, container_format=None)
    with pytest.raises(errors.ImageNotFound):
        rows.begin(UploadRequest("a", context="q"), ["fast"])
    with pytest.raises(errors.InvalidRequest, match="disk_format, container_format must be set"):
        rows.begin(UploadRequest("a", context="p"), ["fast"])


def test_release_tells_whether_the_attempt_owned_the_image() -> None:
    rows = MemoryCatalog()
    rows.create("a")
    attempt = rows.begin(UploadRequest("a"), ["fast"])
    assert rows.release(attempt)
    assert not rows.release(attempt)
    second = rows.begin(UploadRequest("a"), ["fast"])
    assert not rows.release(attempt)
    assert rows.find("a").status == "saving"
    rows.delete("a")
    assert not rows.release(second)


def test_an_object_in_the_way_is_no_fault_of_the_client_and_is_left_alone() -> None:
    """A catalog restored from a backup repeats its numbers; the retry, under the next key, succeeds."""
    world = World()
    with world.driver.open_writer(IMAGE) as writer:
        writer.write(b"somebody else's")
        writer.commit()
    with pytest.raises(errors.StoreUnavailable, match="another object") as refused:
        world.upload([b"data"])
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
    assert world.read() == b"somebody else's"
    assert world.upload([b"data"]).locations[0].key == f"{IMAGE}.2"


def test_right_blame_what_is_not_found_while_writing_is_the_stores() -> None:
    for hook in ("write", "commit"):
        world = World(driver=HookedStore())
        assert isinstance(world.driver, HookedStore)
        world.driver.fails(hook, errors.ObjectNotFound("no such bucket"))
        with pytest.raises(errors.StoreUnavailable) as caught:
            world.upload([BODY])
        assert (caught.value.status, caught.value.store) == (503, "fast")
        world.driver.hooks.clear()
        world.assert_untouched()
