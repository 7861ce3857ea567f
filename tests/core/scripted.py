"""A store that reads by script: where it breaks, what it has become when it is opened again."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter, StoreDriver
from imgstore.driver.deadline import is_in_haste
from imgstore.model import Location, ObjectInfo, StoredImage
from imgstore.store import Store, StoreSet
from imgstore.transfers.download import DownloadService

KEY = "image"


@dataclass
class Opening:
    """How one `open_reader` goes: `error` at once, or `data` under `etag`, broken at byte `breaks_at`."""

    data: bytes = b""
    etag: str | None = "v1"
    error: Exception | None = None
    breaks_at: int | None = None
    breaks_with: Exception | None = field(default_factory=lambda: errors.StoreUnavailable("broken"))
    step: int = 10


class ScriptedDriver(StoreDriver):
    """Follows its openings in turn; the last one is for all later ones. `first_opened` tells which driver came before
    which, `haste` whether it was opened in haste then."""

    numbers = itertools.count(1)

    def __init__(self, *openings: Opening) -> None:
        self._openings = list(openings)
        self.first_opened = 0
        self.haste = False
        self.opened: list[tuple[int, int | None, str | None]] = []
        self.readers: list[ScriptedReader] = []

    def check(self) -> None:
        return None

    def url(self, key: str) -> str:
        return f"scripted:///{key}"

    def key_from_url(self, url: str) -> str:
        return url.rpartition("/")[2]

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        raise NotImplementedError

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        self.opened.append((start, stop, etag))
        if not self.first_opened:
            self.haste = is_in_haste()
            self.first_opened = next(self.numbers)
        opening = self._openings.pop(0) if len(self._openings) > 1 else self._openings[0]
        if opening.error is not None:
            raise copy.copy(opening.error)
        reader = ScriptedReader(opening, start)
        self.readers.append(reader)
        return reader

    def _stat(self, key: str) -> ObjectInfo:
        opening = self._openings[0]
        if opening.error is not None:
            raise copy.copy(opening.error)
        return ObjectInfo(key, len(opening.data), etag=opening.etag)

    def _delete(self, key: str) -> None:
        raise errors.ObjectNotFound("nothing")

    @property
    def all_closed(self) -> bool:
        return all(reader.closed == 1 for reader in self.readers)


class ScriptedReader(ObjectReader):
    def __init__(self, opening: Opening, start: int) -> None:
        self.info = ObjectInfo(KEY, len(opening.data), etag=opening.etag)
        self._opening = opening
        self._at = start
        self.closed = 0

    def _read(self, size: int) -> bytes:
        opening = self._opening
        end = min(self._at + size, self._at + opening.step, len(opening.data))
        if opening.breaks_at is not None:
            if self._at >= opening.breaks_at:
                if opening.breaks_with is None:
                    return b""
                raise copy.copy(opening.breaks_with)
            end = min(end, opening.breaks_at)
        data = opening.data[self._at : end]
        self._at = end
        return data

    def _close(self) -> None:
        self.closed += 1


class Reading:
    """An image in several scripted stores; `pauses` are the seconds that the service would have slept."""

    def __init__(
        self, drivers: dict[str, ScriptedDriver], *, size: int, weights: dict[str, int] | None = None, resumes: int = 3,
        locations: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self.pauses: list[float] = []
        weights = weights or {}
        stores = [Store(name, driver, weight=weights.get(name, 0)) for name, driver in drivers.items()]
        where = [Location(name, KEY, f"scripted:///{KEY}") for name in (drivers if locations is None else locations)]
        self.image = StoredImage("i", "active", size=size, locations=where)
        sleep: Callable[[float], None] = self.pauses.append
        self.service = DownloadService(
            StoreSet(stores, default=stores[0].identifier), source=self, resumes=resumes, sleep=sleep
        )

    def find(self, image_id: str, context: object = None) -> StoredImage:
        return self.image

    def read(self, *, start: int = 0, stop: int | None = None, prefer: Sequence[str] = ()) -> bytes:
        with self.service.open(self.image, start=start, stop=stop, prefer=prefer) as download:
            return b"".join(download)
