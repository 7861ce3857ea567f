"""Rows in a database that has Glance's tables, and its configuration: what Glance would write, without a Glance."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tests.support.client import new_id

SCHEMA = Path(__file__).with_name("schema.sql")


class GlanceRows:
    """The database in `root`, and `glance-api.conf` beside it with stores in directories of their names."""

    def __init__(self, root: Path, stores: Mapping[str, str]) -> None:
        self.root = root
        self.file = root / "glance.sqlite"
        self.conf = root / "glance-api.conf"
        enabled = ", ".join(f"{name}:{kind}" for name, kind in stores.items())
        lines = [f"[DEFAULT]\nenabled_backends = {enabled}", f"[glance_store]\ndefault_backend = {next(iter(stores))}"]
        for name in stores:
            lines += [f"[{name}]", f"datadir = {root / name}", f"places_dir = {root / 'places'}"]
        lines += [f"[database]\nconnection = sqlite:///{self.file}", ""]
        self.conf.write_text("\n".join(lines))
        self.conf.chmod(0o600)
        self._run(lambda database: database.executescript(SCHEMA.read_text()))

    def image(self, status: str = "active", *, age: float = 3600, **columns: object) -> str:
        """An image that was changed `age` seconds ago."""
        changed = (datetime.now(timezone.utc) - timedelta(seconds=age)).replace(tzinfo=None).isoformat(" ")
        values = {
            "id": new_id(), "status": status, "min_disk": 0, "min_ram": 0, "created_at": changed, "updated_at": changed,
            "deleted": status in ("deleted", "pending_delete"), **columns,
        }  # fmt: skip
        self._insert("images", values)
        return str(values["id"])

    def location(self, image: str, url: str, *, store: str | None, status: str = "active") -> None:
        """Where the image's data is."""
        metadata = json.dumps({} if store is None else {"store": store})
        values = {"value": url, "meta_data": metadata, "status": status, "deleted": status != "active"}
        self._insert("image_locations", {"image_id": image, "created_at": "2026-01-01 00:00:00", **values})

    def property(self, image: str, name: str, value: str) -> None:
        """A property of the image."""
        values = {"image_id": image, "name": name, "value": value, "deleted": False}
        self._insert("image_properties", {**values, "created_at": "2026-01-01 00:00:00"})

    def _insert(self, table: str, values: Mapping[str, object]) -> None:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
        self._run(lambda database: database.execute(statement, list(values.values())))

    def _run(self, work: object) -> None:
        assert callable(work)
        with contextlib.closing(sqlite3.connect(self.file)) as database, database:
            work(database)
