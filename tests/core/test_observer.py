"""Observers are told how each transfer begins, moves and ends, once, and harm nothing whatever they do."""

from __future__ import annotations

import logging

import pytest

from imgstore import errors
from imgstore.model import UploadRequest
from imgstore.transfers.copy import CopyService
from imgstore.transfers.download import DownloadService
from imgstore.transfers.observer import LogObserver, Observer, Outcome, Transfer
from imgstore.transfers.upload import UploadService
from tests.core.copying_world import BODY, SIZE, Copying, damage
from tests.core.several import SeveralStores
from tests.core.world import IMAGE, World


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


class Defective(Observer):
    """Raises whatever it is told."""

    def _fail(self, *_: object) -> None:
        raise RuntimeError("defect")

    began = moved = ended = failed = _fail  # type: ignore[assignment] # all of them


def watched(world: World, *observers: Observer) -> UploadService:
    return UploadService(world.stores, catalog=world.rows, quota=world.ledger, observers=observers)


def test_an_upload_is_told_from_its_beginning_to_its_end() -> None:
    world, witness = World(), Witness()
    with watched(world, witness).begin(UploadRequest(IMAGE, size=5)) as session:
        session.write(b"he")
        session.write(b"llo")
        session.finish()
    assert witness.told == ["upload of 5 to fast", 2, 3, Outcome(["fast"], 5, ("md5", "sha512"))]


def test_an_upload_that_fails_or_is_given_up_is_told_once() -> None:
    world, witness = World(), Witness()
    service = watched(world, witness)
    with pytest.raises(errors.UnknownStore):
        service.begin(UploadRequest(IMAGE, stores=["nowhere"]))
    with pytest.raises(errors.SizeMismatch), service.begin(UploadRequest(IMAGE, size=1)) as session:
        session.write(b"too long")
    service.begin(UploadRequest(IMAGE)).abort()
    assert witness.told == [
        "upload of None to none", errors.UnknownStore, "upload of 1 to fast", errors.SizeMismatch,
        "upload of None to fast", type(None),
    ]  # fmt: skip
    world.assert_untouched()


def test_a_store_that_is_left_out_is_not_among_those_that_have_the_image() -> None:
    world, witness = SeveralStores("any"), Witness()
    world.drivers["far"].fails("commit", errors.StoreUnavailable("down"))
    service = UploadService(
        world.stores, catalog=world.rows, quota=world.ledger, settings=world.settings, observers=[witness]
    )
    with service.begin(UploadRequest(IMAGE, stores=["fast", "far"])) as session:
        session.write(b"body")
        session.finish()
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


def test_a_copy_is_told_with_the_stores_it_goes_to() -> None:
    world, witness = Copying(), Witness()
    downloads = DownloadService(world.stores, source=world.rows)
    world.copying = CopyService(
        world.stores, catalog=world.rows, downloads=downloads, quota=world.ledger, observers=[witness]
    )
    world.copy("far")
    world.assert_in("fast", "far")
    assert witness.told[0] == f"copy of {SIZE} to far"
    assert sum(count for count in witness.told if isinstance(count, int)) == SIZE
    assert witness.told[-1] == Outcome(["far"], SIZE, ("sha512",))


def test_a_defective_observer_harms_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    world, witness = World(), Witness()
    with watched(world, Defective(), witness).begin(UploadRequest(IMAGE)) as session:
        session.write(b"body")
        session.finish()
    world.assert_active(b"body")
    assert len(witness.told) == 3
    assert caplog.text.count("An observer failed: RuntimeError") == 3
    assert "defect" not in caplog.text.replace("Defective", "")


def test_a_stored_image_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    with watched(world, LogObserver()).begin(UploadRequest(IMAGE)) as session:
        session.write(b"body")
        session.finish()
    (line,) = [record.getMessage() for record in caplog.records if record.name.endswith("observer")]
    assert line.startswith(f"Image {IMAGE}: upload to fast, 4 bytes in 0.0 s (md5, sha512)")
