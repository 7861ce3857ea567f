"""What a driver does while the power may go, and what must be found under KEY afterwards."""

from __future__ import annotations

import contextlib
import enum
import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from imgstore import errors
from imgstore.driver import place
from imgstore.driver.writer import ObjectWriter
from imgstore.drivers.filesystem import FilesystemDriver, output
from imgstore.drivers.filesystem.direct import Buffers
from tests.filesystem.support import Named, Unnamed
from tests.power.disk import BLOCK
from tests.power.recorder import Event, Recorder

KEY = "image"
DATADIR = "above/images"
MARK = "0123456789abcdef" * 2
KINDS: Sequence[type[FilesystemDriver]] = (Unnamed, Named)
WAYS: Mapping[str, Mapping[str, Any]] = {
    "cached": {"direct_io": "off"},
    "direct": {"direct_io": "on"},
    "sparse": {"direct_io": "off", "thin_provisioning": True},
}
"""Options of the driver: how bytes go into the file."""


class Expected(enum.Enum):
    """What may be found under the key. After UNMARKED, the mark of the place is there too."""

    UNMARKED = "nothing, and perhaps no mark"
    NOTHING = "nothing"
    ALL_OR_NOTHING = "all or nothing"
    ALL = "all"


Scenario: TypeAlias = "Callable[[FilesystemDriver, Recorder, bytes, int | None], None]"
"""Gets the content and the declared size, and tells the recorder what is expected from there on."""


def content_of(blocks: int) -> bytes:
    """So many blocks of data, a hole among them and one at the end, and an end that fills no block."""
    data = [bytes([number + 1]) * BLOCK for number in range(blocks)]
    return b"".join([*data[:1], bytes(BLOCK), *data[1:]])[:-3] + bytes(BLOCK)


def store(driver: FilesystemDriver, recorder: Recorder, content: bytes, size: int | None) -> None:
    """An upload that ends well."""
    recorder.events.append(Expected.NOTHING)
    with _written(driver, content, size) as writer:
        recorder.events.append(Expected.ALL_OR_NOTHING)
        writer.commit()
        recorder.events.append(Expected.ALL)


def abort(driver: FilesystemDriver, recorder: Recorder, content: bytes, size: int | None) -> None:
    """An upload that is aborted."""
    recorder.events.append(Expected.NOTHING)
    with _written(driver, content, size):
        pass


def refuse(driver: FilesystemDriver, recorder: Recorder, content: bytes, size: int | None) -> None:
    """A commit that fails when it syncs the directory, so that the name is taken back."""
    recorder.events.append(Expected.NOTHING)
    with _written(driver, content, size) as writer:
        recorder.events.append(Expected.ALL_OR_NOTHING)
        failed = failing(recorder, writer.commit)
    recorder.events.append(Expected.NOTHING if failed else Expected.ALL)


def delete(driver: FilesystemDriver, recorder: Recorder, content: bytes, size: int | None) -> None:
    """An object that is stored and deleted."""
    store(driver, recorder, content, size)
    recorder.events.append(Expected.ALL_OR_NOTHING)
    driver.delete(KEY)
    recorder.events.append(Expected.NOTHING)


def delete_again(driver: FilesystemDriver, recorder: Recorder, content: bytes, size: int | None) -> None:
    """A deletion that fails when it syncs the directory, and is repeated by another process."""
    store(driver, recorder, content, size)
    recorder.events.append(Expected.ALL_OR_NOTHING)
    failing(recorder, partial(driver.delete, KEY))
    with contextlib.suppress(errors.ObjectNotFound):
        type(driver)(datadir=driver._settings.datadir).delete(KEY)
    recorder.events.append(Expected.NOTHING)


def first_start(driver: FilesystemDriver, recorder: Recorder, content: bytes, size: int | None) -> None:
    """An upload after a start that made the datadir and could not sync it (see `record`); then a note, written anew."""
    store(driver, recorder, content, size)
    for epoch in (1, 2):
        driver.write_epoch(epoch)


SCENARIOS: Sequence[Scenario] = (store, abort, refuse, delete, delete_again, first_start)


def record(
    kind: type[FilesystemDriver], way: str, scenario: Scenario, root: Path, *, content: bytes, size: int | None = None
) -> list[Event]:
    """What was asked of the system, from the making of the datadir on, and what was expected when: nothing before the
    scenario, except at a first start.

    Hidden names are the same each time, so that the same layout is known again.
    """
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch, kind)
        numbers = itertools.count()
        patch.setattr(secrets, "token_hex", lambda size: f"{next(numbers):0{2 * size}x}")
        recorder = Recorder(patch, root)
        driver = kind(datadir=str(root / DATADIR), **WAYS[way])
        if scenario is first_start:
            recorder.events.append(Expected.UNMARKED)
            failing(recorder, partial(driver.write_mark, MARK))
        driver.write_mark(MARK)
        driver.check()
        scenario(driver, recorder, content, size)
    recorder.expect_seen()
    assert (recorder.direct > 0) == (way == "direct")
    return recorder.events


def small_blocks(patch: pytest.MonkeyPatch, kind: type[FilesystemDriver]) -> None:
    """As many system calls for a few bytes as else for megabytes."""
    patch.setattr(place, "_TEXT", "imgstore place {mark}\n")
    patch.setattr(output, "BLOCK", BLOCK)
    patch.setattr(output, "_ZEROS", bytes(BLOCK))
    patch.setattr(kind, "BUFFERS", Buffers(start=2 * BLOCK, size=2 * BLOCK, count=2))


def _written(driver: FilesystemDriver, content: bytes, size: int | None) -> ObjectWriter:
    writer = driver.open_writer(KEY, size=size)
    for start in range(0, len(content), BLOCK):
        writer.write(content[start : start + BLOCK])
    return writer


def failing(recorder: Recorder, action: Callable[[], object]) -> bool:
    """Does it, and the first sync of a directory fails. False if it succeeds all the same."""
    recorder.fail_directory_syncs = 1
    try:
        action()
    except errors.StoreUnavailable:
        return True
    recorder.fail_directory_syncs = 0
    return False
