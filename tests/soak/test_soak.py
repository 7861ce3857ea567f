"""Contained: after a time with slow clients, a hung store, a hung mount, a frozen database, clients that die and
`kill -9` of the service, nothing is left of them, and the service takes what it took before.

`make soak SECONDS=600` runs it longer. Two processes share the database and the stores: one lives all the time, and is
measured; the other is killed and started again. The mount is left out where FUSE is missing.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.isolation.hung import Hanging, missing, on_a_mount
from imgstore.driver.place import NOTES
from imgstore.sql import PARTS
from tests.needs import needs_server
from tests.soak.footprint import HEAD, Footprint, environment, rise, settled
from tests.soak.traffic import Traffic
from tests.support.database_fixtures import WHY, Servers
from tests.support.frozen import frozen
from tests.support.moto import MotoBucket, MotoServer
from tests.support.service import STORES, Options, ServiceProcess
from tests.support.slow_clients import SlowClients, dripping_body, dripping_head, not_reading
from tests.support.waiting import until

SECONDS = float(os.environ.get("IMGSTORE_SOAK_SECONDS", "40"))
REMOTE, MOUNTED = "remote", "mounted"
HANGS = 4.0
"""Seconds; longer than a lease."""
SLOW = 10
"""Of each kind."""
SPARE = 4
"""Connections that a pool may keep, or not, in either moment."""
GROWTH, BLOCKS_GROWTH = 1.15, 1.02
"""Of memory, which has what the allocator keeps for later; of Python's blocks, whose caches fill in the beginning."""
CYCLES = 10
"""From which on the second half of a run tells whether anything rises: its caches are full."""
RISE, BLOCKS_RISE = 0.04, 0.005
"""What is noise, as a part of the whole."""
LARGE = 32 << 20

pytestmark = [pytest.mark.long, needs_server("postgres", why=WHY)]


@dataclass(frozen=True)
class World:
    """Two processes of one service, its database, and its bucket."""

    lives: ServiceProcess
    dies: ServiceProcess
    servers: Servers
    database: str
    moto: MotoServer
    bucket: MotoBucket
    mount: Hanging | None

    @property
    def stores(self) -> tuple[str, ...]:
        """All of them."""
        return (*STORES, REMOTE, *([] if self.mount is None else [MOUNTED]))

    def mount_hangs(self) -> None:
        """For a while: whoever looks for a file there waits in the kernel."""
        if self.mount is not None:
            with self.mount.frozen():
                time.sleep(HANGS)

    def store_hangs(self) -> None:
        """For a while."""
        with frozen(self.moto.child.process.pid):
            time.sleep(HANGS)

    def database_hangs(self) -> None:
        """For a while."""
        with self.servers["postgresql"].frozen():
            time.sleep(HANGS)

    def service_is_killed(self) -> None:
        """And started again."""
        self.dies.kill()
        self.dies.start()

    def service_ends(self) -> None:
        """And is started again."""
        self.dies.terminate()
        self.dies.start()

    def left(self) -> list[str]:
        """What the database has of uploads that ended, and the stores of what no image has."""
        engine = sa.create_engine(self.database, poolclass=sa.NullPool)
        with engine.connect() as connection:
            found = [f"{name}: {connection.execute(sa.text(query)).scalar()}" for name, query in LEFT.items()]
            live = {(row.store, row.key) for row in connection.execute(sa.text(LIVE))}
        stored = {(store, name) for store in STORES for name in self.lives.objects(store) + self.lives.leftovers(store)}
        stored |= {(REMOTE, name) for name in self.bucket.everything() if name.rpartition("/")[2] not in NOTES}
        mounted = [] if self.mount is None else os.listdir(str(self.mount.options["datadir"]))
        stored |= {(MOUNTED, name) for name in mounted if name not in NOTES}
        return [each for each in found if not each.endswith(": 0")] + sorted(map(str, stored ^ live))


LEFT = {
    "saving": "SELECT count(*) FROM images WHERE status = 'saving'",
    "attempts": "SELECT count(*) FROM images WHERE uploading IS NOT NULL",
    "leases": "SELECT count(*) FROM images WHERE lease_until IS NOT NULL",
    "removals": "SELECT count(*) FROM image_locations WHERE state <> 'live'",
    "holds": "SELECT count(*) FROM quota_entries WHERE state IN ('held', 'joined')",
}
LIVE = "SELECT store, key FROM image_locations WHERE state = 'live'"


@pytest.fixture
def world(servers: Servers, moto: MotoServer, tmp_path: Path) -> Iterator[World]:
    database, bucket = servers.tables("postgresql", PARTS), moto.bucket()
    with contextlib.ExitStack() as stack:
        mount = None if missing("mount") else stack.enter_context(on_a_mount())
        options = _options(database, bucket, mount)
        lives = ServiceProcess(tmp_path, options=options, environment=environment(tmp_path / "blocks"))
        dies = ServiceProcess(tmp_path, options=options)
        stack.enter_context(lives)
        stack.enter_context(dies)
        yield World(lives, dies, servers, database, moto, bucket, mount)


def _options(database: str, bucket: MotoBucket, mount: Hanging | None) -> Options:
    directories = STORES if mount is None else (*STORES, MOUNTED)
    stores = ", ".join(f"{name}:filesystem" for name in directories)
    return {
        "imgstore": {"enabled_stores": f"{stores}, {REMOTE}:s3", "project_quota": "100 GiB"},
        **({} if mount is None else {MOUNTED: mount.options}),
        "service": {
            "database": database, "upload_lease": 3, "recovery_interval": 1, "grace_period": 2, "body_timeout": 5,
        },
        REMOTE: {
            "endpoint_url": bucket.endpoint, "bucket": bucket.name, "region": bucket.region,
            "access_key": bucket.access_key, "secret_key": bucket.secret_key, "part_size": "5 MiB",
            "connect_timeout": 2, "read_timeout": 2, "max_attempts": 2,
        },
    }  # fmt: skip


def test_contained_a_soak_leaves_nothing_and_takes_no_more(world: World) -> None:
    traffic, end = Traffic((world.lives, world.dies), world.stores), time.monotonic() + SECONDS
    events = (world.store_hangs, world.mount_hangs, world.database_hangs, world.service_is_killed, world.service_ends)
    seen: list[Footprint] = []
    while len(seen) < 2 or time.monotonic() < end:
        with traffic.under_way(), _slow_clients(world.lives):
            for event in events:
                event()
        seen.append(_quiet(world))
    before, after = seen[0], seen[-1]
    print(HEAD, *map(Footprint.line, seen), dict(traffic.done), sep="\n")  # noqa: T201 - what `make soak` is run for
    assert after.threads <= before.threads
    assert after.descriptors <= before.descriptors + SPARE
    assert after.memory <= before.memory * GROWTH
    assert after.blocks <= before.blocks * BLOCKS_GROWTH
    if len(seen) >= CYCLES:
        later = seen[len(seen) // 2 :]
        assert rise([each.blocks for each in later]) <= BLOCKS_RISE
        assert rise([each.memory for each in later]) <= RISE
    done = {asked for asked, status in traffic.done if status in (200, 201, 204)}
    assert done == {"create", "upload", "download", "delete"}
    assert not [answer for answer in traffic.done if answer[1] == 500]


@contextlib.contextmanager
def _slow_clients(service: ServiceProcess) -> Iterator[None]:
    client = service.client
    large = client.create()
    client.upload(large, bytes(LARGE))
    bodies = [dripping_body(client.create(), store=STORES[1]) for _ in range(SLOW)]
    manners = [*bodies, *[not_reading(large)] * SLOW, *[dripping_head()] * SLOW]
    with SlowClients(client.address, manners):
        yield


def _quiet(world: World) -> Footprint:
    """What the process that lives takes, once nothing is left."""
    with contextlib.suppress(AssertionError):
        until(lambda: world.left() == [])
    assert world.left() == []
    return settled(world.lives, world.lives.root / "blocks")
