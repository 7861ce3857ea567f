"""A host's mistake is told by the names of its class and its method, and leaves nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from imgstore import errors
from imgstore.adapters import asgi
from imgstore.catalog import MemoryCatalog
from imgstore.drivers.filesystem import FilesystemDriver
from imgstore.drivers.memory import MemoryDriver
from imgstore.hosting import TableCatalog
from imgstore.limits import Allowance, FixedLimits
from imgstore.model import Attempt, Location, StoredImage, UploadResult
from imgstore.quota import MemoryQuota
from imgstore.sql.ledger.accounts import bounds_of
from imgstore.store import Store, StoreSet
from imgstore.transfers.copy import CopyRequest, CopyService
from imgstore.transfers.download import DownloadService
from imgstore.transfers.observer import Observer
from imgstore.transfers.places import settle
from imgstore.transfers.upload import UploadService
from tests.core.copying_world import Copying
from tests.core.faults import FaultyTaps
from tests.core.world import IMAGE, World
from tests.hosting.tables import DictTable

BARE: Any = TableCatalog(DictTable())
STORES = StoreSet([Store("fast", MemoryDriver())], default="fast")


async def later(*args: object, **kwargs: object) -> None:
    """Is never run: a coroutine that nobody awaited would warn."""
    raise AssertionError


def promised(*args: object, **kwargs: object) -> Awaitable[None]:
    """A coroutine out of a plain function."""
    return later()


def answering(answer: object) -> Callable[..., object]:
    return lambda *args, **kwargs: answer


def after(change: Callable[[Attempt], object]) -> Callable[..., object]:
    """`begin` as it should be, with another answer."""
    return lambda self, *args: change(MemoryCatalog.begin(self, *args))


def granting(**values: Any) -> Callable[..., object]:
    """`begin` with an attempt that has these values."""
    return after(lambda it: replace(it, **values))


def catalog(**methods: object) -> MemoryCatalog:
    """One of the class `Rows`, in which these methods are wrong."""
    wrong: MemoryCatalog = type("Rows", (MemoryCatalog,), methods)()
    return wrong


def quota(**methods: object) -> MemoryQuota:
    """One whose holds are of the class `Held`, in which these methods are wrong."""
    right = {name: staticmethod(answering(None)) for name in ("extend_to", "settle", "release")}
    hold = type("Held", (), {name: each for name, each in (right | methods).items() if each})()
    kept: MemoryQuota = type("Quotas", (MemoryQuota,), {"reserve": answering(hold)})(lambda owner: None)
    return kept


def tap(**methods: object) -> Callable[..., object]:
    """A factory of taps of the class `Watch`, in which these methods are wrong."""
    return lambda attempt, *, size: type("Watch", (FaultyTaps,), methods)()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"catalog": catalog(activate=later)}, "Rows.activate is a coroutine function.*AsyncCatalog"),
        (
            {"catalog": catalog(release=lambda self, attempt: True)},
            r"Rows.release .* with \(attempt, unremoved\)",
        ),
        ({"catalog": catalog(confirm=lambda self, attempt: None)}, r"Rows.confirm .*\(attempt, certain=...\)"),
        ({"settings": {}}, "settings is a dict: it must be an UploadSettings"),
        ({"catalog": SimpleNamespace()}, "a SimpleNamespace is no ImageCatalog: it has no method activate"),
        ({"catalog": MemoryCatalog}, "the class MemoryCatalog is no ImageCatalog: give an instance"),
        ({"catalog": BARE}, r"a TableCatalog .*leases.* give LeasedCatalog\(table\)"),
        ({"catalog": asgi.AsyncCatalog(BARE)}, "a TableCatalog .*nobody would renew"),
        ({"quota": answering(None)}, "a function is no Quota: it has no method give_back"),
        ({"quota": type("Quotas", (MemoryQuota,), {"reserve": later})(len)}, "Quotas.reserve is a coroutine function"),
        ({"taps": [later]}, "later is a coroutine function"),
        ({"taps": [lambda attempt: None]}, r"<lambda> cannot be called with \(attempt, size=...\)"),
        ({"taps": [None]}, "None is no TapFactory"),
        ({"observers": [Observer]}, "the class Observer is no Observer"),
        ({"observers": [SimpleNamespace()]}, "a SimpleNamespace is no Observer"),
        ({"observers": [type("Metrics", (Observer,), {"ended": later})()]}, "Metrics.ended is a coroutine function"),
    ],
)
def test_part_that_cannot_work_is_refused_where_it_is_given(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.UsageError, match=words):
        UploadService(STORES, **({"catalog": MemoryCatalog()} | parts))


def test_source_and_store_that_cannot_work_are_refused_where_they_are_given() -> None:
    nothing: Any = object()
    with pytest.raises(errors.UsageError, match="no ImageSource: it has no method find"):
        DownloadService(STORES, source=nothing)
    stores: Any = list(STORES)
    with pytest.raises(errors.UsageError, match="stores is a list: it must be a StoreSet"):
        DownloadService(stores, source=MemoryCatalog())
    kind: Any = MemoryDriver
    with pytest.raises(errors.UsageError, match="driver of store 'fast' is the class MemoryDriver: it must be a Store"):
        StoreSet([Store("fast", kind)], default="fast")
    driver = MemoryDriver()
    with pytest.raises(errors.ConfigurationError, match=r"\[cold\]: it has the driver of store 'fast'"):
        StoreSet([Store("fast", driver), Store("cold", driver)], default="fast")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"rows": catalog(begin=after(lambda it: replace(it, image_id="x")))}, "Rows.begin .* for another image"),
        ({"rows": catalog(begin=granting(image_id=UUID(int=1)))}, "Rows.begin .* whose image_id is an UUID"),
        ({"rows": catalog(begin=granting(owner=UUID(int=1)))}, "Rows.begin .* whose owner is an UUID"),
        ({"rows": catalog(begin=after(lambda it: replace(it, stores=["cold"])))}, "Rows.begin .* for other stores"),
        ({"rows": catalog(begin=granting(stores=None))}, "Rows.begin .* for other stores"),
        ({"rows": catalog(begin=after(lambda it: replace(it, stores=())))}, "Rows.begin .* for other stores"),
        ({"rows": catalog(begin=promised)}, "Rows.begin returned a coroutine. .* plain function"),
        ({"rows": catalog(confirm=promised)}, "Rows.confirm returned a coroutine"),
        ({"rows": catalog(confirm=answering(False))}, "Rows.confirm returned False.* raise ImageGone"),
        ({"rows": catalog(activate=promised)}, "Rows.activate returned a coroutine"),
        ({"rows": catalog(activate=answering(False))}, "Rows.activate returned False. It must return None"),
        (
            {"quota": type("Quotas", (MemoryQuota,), {"reserve": answering(None)})(len)},
            "reserve returned, None, ",
        ),
        ({"quota": type("Quotas", (MemoryQuota,), {"reserve": promised})(len)}, "Quotas.reserve returned a coroutine"),
        ({"quota": MemoryQuota(lambda owner: -1)}, "What limit_of returned is below 0"),
        ({"quota": quota(settle=None)}, "Quotas.reserve returned, a Held, is no Hold: it has no method settle"),
        ({"quota": quota(release=later)}, "Held.release is a coroutine function"),
        ({"quota": quota(extend_to=answering(False))}, "Held.extend_to returned False"),
        ({"taps": [promised]}, "promised returned a coroutine"),
        ({"taps": [answering(object())]}, "<lambda> returned, an object, is no Tap: it has no method close"),
        ({"taps": [tap(write=later)]}, "Watch.write is a coroutine function"),
        ({"taps": [tap(finish=answering(None))]}, "Watch.finish returned None. It must return a mapping"),
    ],
)
def test_wrong_answer_is_told_and_nothing_is_left(parts: dict[str, Any], words: str) -> None:
    world = World(**parts)
    with pytest.raises(errors.UsageError, match=words):
        world.upload([b"data"])
    assert world.status == "queued"
    world.assert_nothing_left()


@pytest.mark.parametrize(("answer", "word"), [(None, "None"), (3, "an int")])
def test_attempt_that_is_none_is_told_by_what_it_is(answer: object, word: str) -> None:
    with pytest.raises(errors.UsageError, match=f"Rows.begin returned {word}. It must return an Attempt"):
        World(rows=catalog(begin=answering(answer))).begin()


def test_activation_that_may_have_happened_keeps_the_data() -> None:
    """A wrong answer does not say whether the image is active: the catalog is asked for it."""

    def activated(self: MemoryCatalog, attempt: Attempt, result: UploadResult) -> bool:
        MemoryCatalog.activate(self, attempt, result)
        return True

    world = World(rows=catalog(activate=activated))
    with pytest.raises(errors.UsageError, match=r"Rows\.activate returned True"):
        world.upload([b"data"])
    world.assert_active(b"data")


def test_release_that_says_neither_yes_nor_no_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    rows = catalog(release=lambda self, *args: MemoryCatalog.release(self, *args) and None)
    world = World(rows=rows)
    world.begin().abort()
    assert "Rows.release returned None. It must return True or False" in caplog.text
    assert world.status == "queued"


def test_wrong_answers_about_a_copy_are_told_and_nothing_is_left() -> None:
    for methods, words in (
        ({"begin_copy": answering(None)}, "Rows.begin_copy returned None. It must return an Attempt and its"),
        ({"begin_copy": lambda self, *args: list(MemoryCatalog.begin_copy(self, *args))[:1]}, "returned a list"),
        ({"add_locations": answering(False)}, "Rows.add_locations returned False. It must return None"),
    ):
        world = Copying(rows=catalog(**methods))
        with pytest.raises(errors.UsageError, match=words):
            world.copying.begin(CopyRequest(IMAGE, ["cold"])).run()
        assert [location.store for location in world.rows.find(IMAGE).locations] == ["fast"]
        assert set(world.objects) == {f"fast/{IMAGE}"}


def test_table_whose_leases_nobody_renews_takes_no_copies() -> None:
    with pytest.raises(errors.UsageError, match=r"give LeasedCopyCatalog\(table\)"):
        CopyService(STORES, catalog=BARE, downloads=DownloadService(STORES, source=BARE))


def test_place_and_limit_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    store = Store("fast", FilesystemDriver(datadir=str(tmp_path / "data")))
    memory: Any = type("Places", (), dict.fromkeys(("known_place", "remember_place", "some_keys"), answering({})))()
    with pytest.raises(errors.UsageError, match=r"Places\.known_place returned a dict. It must return a KnownPl"):
        settle(store, memory)
    limits: Any = type("Plans", (FixedLimits,), {"project": answering(5)})()
    with pytest.raises(errors.UsageError, match=r"Plans\.project returned an int. It must return an Allowance"):
        bounds_of(limits, "project")


def test_image_that_is_none_is_told() -> None:
    service = DownloadService(STORES, source=catalog(find=answering({})))
    with pytest.raises(errors.UsageError, match=r"Rows.find returned a dict. It must return a StoredImage"):
        service.find(IMAGE)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"size": Decimal(4)}, "size is a Decimal: it is an int"),
        ({"size": -1}, "size is below 0"),
        ({"status": "ready"}, "status the Image API does not have"),
        ({"status": None}, "status is None"),
        ({"checksum": b"md5"}, "checksum is a bytes"),
        ({"locations": [("fast", IMAGE, "")]}, "locations are no sequence of Location"),
        ({"locations": [Location("fast", cast("str", UUID(int=1)), "")]}, "Location whose key is an UUID"),
    ],
)
def test_image_that_would_break_its_download_is_told(wrong: dict[str, Any], words: str) -> None:
    def find(self: MemoryCatalog, *args: Any) -> StoredImage:
        return replace(MemoryCatalog.find(self, *args), **wrong)

    rows = catalog(find=find)
    rows.create(IMAGE)
    with pytest.raises(errors.UsageError, match=rf"Rows\.find returned .*{words}"):
        DownloadService(STORES, source=rows).find(IMAGE)


def test_limit_that_is_none_is_refused_where_it_is_made() -> None:
    for wrong in ({"size": "10"}, {"images": -1}, {"uploads": 0.5}):
        with pytest.raises(
            errors.UsageError, match=rf"Allowance\.{next(iter(wrong))} is .* None where there is no limit"
        ):
            Allowance(**cast("Any", wrong))
    with pytest.raises(errors.UsageError, match="limit_of is a coroutine function"):
        MemoryQuota(cast("Any", later))


def test_at_debug_the_log_has_the_calls_of_a_foreign_failure_and_not_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*args: object) -> None:
        secret = "hunter2"
        raise LookupError(secret)

    for level, told in ((logging.INFO, False), (logging.DEBUG, True)):
        caplog.clear()
        with caplog.at_level(level, "imgstore"), pytest.raises(errors.CatalogUnavailable, match="beginning the upload"):
            World(rows=catalog(begin=broken)).begin()
        assert ("LookupError" in caplog.text and "in broken\n    raise LookupError(secret)" in caplog.text) == told
        assert "hunter2" not in caplog.text
