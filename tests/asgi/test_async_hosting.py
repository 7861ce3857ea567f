"""A host whose catalog and quota are coroutine functions recovers as any other: each call runs in its loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgstore import errors
from imgstore.adapters.asgi import in_loop
from imgstore.hosting import Keeper, LeasedCatalog, TableCatalog
from imgstore.hosting.protocols import HostCopyCatalog, KeptQuota
from imgstore.model import UploadRequest
from imgstore.quota import Quota
from imgstore.sql import LEDGER, SqlLedger
from imgstore.sql.upgrade import opened
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadService
from tests.asgi.test_async_parts import Later
from tests.core.stores import HookedStore
from tests.hosting.tables import DictTable, Row
from tests.support.waiting import until


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs on a thread, as a server's."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def methods(*protocols: type) -> set[str]:
    return {name for protocol in protocols for name in dir(protocol) if not name.startswith("_")} - {"lease"}


class LaterTable(Later):
    lease = 3.0

    def __init__(self, table: DictTable) -> None:
        catalog = TableCatalog(table, lease=self.lease, sees=lambda context, row: True)
        super().__init__(catalog, *methods(HostCopyCatalog), "find")


def test_dead_upload_ends_and_a_living_one_is_renewed(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    table, driver = DictTable(), HookedStore()
    for image_id in ("dead", "living"):
        table.add(Row(image_id, "project"))
    stores = StoreSet([Store("fast", driver)], default="fast")
    with contextlib.closing(SqlLedger(opened(f"sqlite:///{tmp_path}/quota.sqlite", [LEDGER]))) as ledger:
        later: Any = Later(ledger, *methods(Quota, KeptQuota))
        quota = in_loop(later, loop=loop)
        table_of_coroutines: Any = LaterTable(table)
        catalog = LeasedCatalog(in_loop(table_of_coroutines, loop=loop))
        died = TableCatalog(table, lease=-1, sees=lambda context, row: True).begin(UploadRequest("dead"), ["fast"])
        ledger.reserve(died, "fast", 4)
        driver.open_writer(died.key).commit()
        keeper = Keeper(catalog, stores, quota, interval=0.01)
        with UploadService(stores, catalog=catalog, quota=quota).begin(UploadRequest("living", size=4)) as session:
            keeper.start()
            until(lambda: table.rows["dead"].status == "queued" and not driver.storage.names())
            until(lambda: table_of_coroutines.names().count("renew") > 0)
            session.write(b"data")
            session.finish()
        keeper.stop()
        assert (table.rows["living"].status, ledger.account("project").taken) == ("active", 4)


def test_catalog_without_recovery_is_refused(loop: asyncio.AbstractEventLoop) -> None:
    half: Any = Later(TableCatalog(DictTable()), "begin", "activate", "confirm", "release", "find")
    with pytest.raises(errors.UsageError, match="is no HostCatalog: it has no method"):
        LeasedCatalog(in_loop(half, loop=loop))
