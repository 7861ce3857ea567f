"""`python -m bench.scale`: requests to a catalog of few and of many images, and `verify` of a directory with as many.

The images are written past the catalog's methods, on SQLite, PostgreSQL and MariaDB. The servers are started for it, on
this machine, with the settings of the tests; one that is not installed is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.machine import facts, load_found
from bench.scale import whole
from imgstore.sql import (
    PARTS,
    Caller,
    Condition,
    Database,
    ImageQuery,
    NewImage,
    SqlCatalog,
    upgrade,
)  # fmt: skip
from tests.needs import find_server
from tests.support.client import new_id
from tests.support.database_fixtures import Servers
from tests.support.many_images import STORE, fill, image_id

PROGRAMS = {"sqlite": None, "postgresql": "postgres", "mariadb": "mariadbd"}
OWNERS = 100
TIMES = 31
MEMBER, ADMIN = Caller("project 7"), Caller("operators", is_admin=True)


def lists(caller: Caller, **query: object) -> Callable[[SqlCatalog, int], object]:
    """A list of 25."""
    return lambda catalog, number: catalog.list(caller, ImageQuery(25, **query))  # type: ignore[arg-type]  # written below


def create(catalog: SqlCatalog, number: int) -> object:
    """A new image with a tag and a property."""
    return catalog.create(NewImage(new_id(), MEMBER.project_id or "", tags=["new"], properties={"os": "new"}))


REQUESTS: Mapping[str, Callable[[SqlCatalog, int], object]] = {
    "a page": lists(MEMBER),
    "a page far behind": lambda catalog, number: catalog.list(MEMBER, ImageQuery(25, marker=image_id(number // 2 + 7))),
    "a name": lists(MEMBER, conditions=[Condition("name", "eq", "image 707")]),
    "a tag": lists(MEMBER, tags=["tag 70"]),
    "a property": lists(MEMBER, properties={"os": "70"}),
    "a status": lists(MEMBER, conditions=[Condition("status", "eq", "queued")]),
    "a checksum": lists(MEMBER, conditions=[Condition("checksum", "eq", f"{707:032x}")]),
    "an operator's page": lists(ADMIN),
    "an operator's tag": lists(ADMIN, tags=["tag 70"]),
    "show": lambda catalog, number: catalog.get(image_id(707), MEMBER),
    "create": create,
    "removals": lambda catalog, number: catalog.removals(),
    "500 objects known?": lambda catalog, number: catalog.standings(STORE, map(image_id, range(500))),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-", dir=options.datadir) as work:
        for name, value in {**facts(Path(work)), **load_found()}.items():
            print(f"{name}: {value}")
        with contextlib.ExitStack() as stack:
            servers = Servers(stack)
            for kind in options.databases:
                _measure(kind, servers, Path(work), options.images)
    print(f"load at the end: {load_found()['loadavg']}")
    return 0


def _measure(kind: str, servers: Servers, work: Path, images: int) -> None:
    program = PROGRAMS[kind]
    if program is not None and find_server(program) is None:
        print(f"{kind} is not installed: it is left out", file=sys.stderr)
        return
    found = []
    with servers.database(kind, work) as url, contextlib.closing(Database(url, busy_timeout=600)) as database:
        upgrade(database, PARTS)
        done = 0
        for number in (min(10_000, images), images):
            fill(database, range(done, number), owners=OWNERS)
            done = number
            _count(database)
            found.append(_milliseconds(database, number))
        _tell(kind, images, *found)
        whole.compare_usage(database)
    if kind == "sqlite":
        whole.verify(url, work / "store", images)


def _count(database: Database) -> None:
    """As a server does by itself, some time after so many rows came."""
    every = {"postgresql": "ANALYZE", "mysql": "ANALYZE TABLE images, image_locations, image_words"}
    database.change(lambda connection: connection.exec_driver_sql(every.get(connection.dialect.name, "SELECT 1")))


def _milliseconds(database: Database, number: int) -> Mapping[str, float]:
    catalog = SqlCatalog(database)
    return {name: statistics.median(_times(request, catalog, number)) for name, request in REQUESTS.items()}


def _times(request: Callable[[SqlCatalog, int], object], catalog: SqlCatalog, number: int) -> list[float]:
    times = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        request(catalog, number)
        times.append(1000 * (time.perf_counter() - begin))
    return times


def _tell(kind: str, images: int, few: Mapping[str, float], many: Mapping[str, float]) -> None:
    print(f"\n{kind:24}   10,000 {images:>11,}  ratio   (milliseconds, the median of {TIMES})", flush=True)
    for name in REQUESTS:
        print(f"{name:24}{few[name]:9.1f}{many[name]:12.1f}{many[name] / few[name]:7.1f}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000, help="in the catalog (default: %(default)s)")
    parser.add_argument("--databases", nargs="+", choices=PROGRAMS, default=list(PROGRAMS), help="default: all")
    parser.add_argument("--datadir", type=Path, help="where SQLite's file and the store are (default: TMPDIR)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
