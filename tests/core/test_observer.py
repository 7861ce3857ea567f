"""Observers are told how each transfer begins, moves and ends, once, and harm nothing whatever they do."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from imgstore import errors
from imgstore.transfers.begin import ANY
from imgstore.transfers.download import DownloadService
from imgstore.transfers.observer import STORE, LogObserver, Observer, Outcome, Step, Transfer
from tests.core.copying_world import BODY, SIZE, Copying, damage
from tests.core.scripted import Opening, Reading, ScriptedDriver
from tests.core.world import DOWN, IMAGE, NAMES, World


class Witness(Observer):
    """Remembers what it is told, as words."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def began(self, transfer: Transfer) -> None:
        self.told.append(f"{transfer.kind} of {transfer.size} to {','.join(transfer.stores) or 'none'}")

    def moved(self, transfer: Transfer, count: int) -> None:
        self.told.append(count)

    def ended(self, transfer: Transfer, outcome: Outcome) -> None:
        self.told.append(outcome)

    def failed(self, transfer: Transfer, error: BaseException | None) -> None:
        self.told.append(type(error))


class Steps(Observer):
    """Remembers the steps."""

    def __init__(self) -> None:
        self.told: list[Step] = []

    def stepped(self, transfer: Transfer, step: Step) -> None:
        self.told.append(step)


class Defective(Observer):
    """Raises whatever it is told."""

    def _fail(self, *_: object) -> None:
        raise RuntimeError("defect")

    every: Any = _fail
    began = moved = stepped = ended = failed = every


def test_an_upload_is_told_from_its_beginning_to_its_end() -> None:
    witness = Witness()
    World(observers=[witness]).upload([b"he", b"llo"], size=5)
    assert witness.told == ["upload of 5 to fast", 2, 3, Outcome(["fast"], 5, ("md5", "sha512"))]


def test_an_upload_that_fails_or_is_given_up_is_told_once() -> None:
    witness = Witness()
    world = World(observers=[witness])
    with pytest.raises(errors.UnknownStore):
        world.begin("nowhere")
    with pytest.raises(errors.SizeMismatch):
        world.upload([b"too long"], size=1)
    world.begin().abort()
    assert witness.told == [
        "upload of None to none", errors.UnknownStore, "upload of 1 to fast", errors.SizeMismatch,
        "upload of None to fast", type(None),
    ]  # fmt: skip
    world.assert_untouched()


def test_store_that_is_left_out_is_not_told_to_have_the_image() -> None:
    witness = Witness()
    world = World(*NAMES, mode=ANY, observers=[witness])
    world.drivers["far"].fails("commit", DOWN)
    world.upload([b"body"], "fast", "far")
    assert witness.told[0] == "upload of None to fast,far"
    assert witness.told[-1] == Outcome(["fast"], 4, ("md5", "sha512"))


def test_a_download_is_told_and_an_empty_range_is_none() -> None:
    world, witness = Copying(), Witness()
    downloads = DownloadService(world.stores, source=world.rows, observers=[witness])
    with downloads.open(world.image, start=SIZE - 10) as download:
        assert len(b"".join(download)) == 10
    downloads.open(world.image, start=3, stop=3).close()
    downloads.open(world.image).close()
    damage(world, "fast", BODY[:-1])
    with pytest.raises(errors.StoreUnavailable):
        downloads.open(world.image)
    assert witness.told == [
        "download of 10 to fast", 10, Outcome(["fast"], 10), f"download of {SIZE} to fast", type(None),
        f"download of {SIZE} to fast", errors.IntegrityError,
    ]  # fmt: skip


def test_a_read_that_was_resumed_is_one_step_that_succeeded() -> None:
    driver, steps = ScriptedDriver(Opening(b"0123456789", breaks_at=4, step=2), Opening(b"0123456789")), Steps()
    reading = Reading({"a": driver}, size=10)
    downloads = DownloadService(reading.service.stores, source=reading, sleep=reading.pauses.append, observers=[steps])
    with downloads.open(reading.image) as download:
        assert b"".join(download) == b"0123456789"
    (step,) = steps.told
    assert (step.name, step.store, step.size, step.done, step.error) == (STORE, "a", 10, True, None)
    assert step.began <= step.ended


def test_a_copy_is_told_with_the_stores_it_goes_to() -> None:
    witness = Witness()
    world = Copying(watching_copies=[witness])
    world.copy("far")
    world.assert_in("fast", "far")
    assert witness.told[0] == f"copy of {SIZE} to far"
    assert sum(count for count in witness.told if isinstance(count, int)) == SIZE
    assert witness.told[-1] == Outcome(["far"], SIZE, ("sha512",))


def test_a_defective_observer_harms_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    witness = Witness()
    world = World(observers=[Defective(), witness])
    world.upload([b"body"])
    world.assert_active(b"body")
    assert len(witness.told) == 3
    assert caplog.text.count("An observer failed: RuntimeError") == 5
    assert "defect" not in caplog.text.replace("Defective", "")


def test_a_stored_image_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    World(observers=[LogObserver()]).upload([b"body"])
    (line,) = [record.getMessage() for record in caplog.records if record.name.endswith("observer")]
    assert re.match(rf"Image {IMAGE}: upload to fast, 4 bytes in \d+\.\d s \(md5, sha512\)", line)
