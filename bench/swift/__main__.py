"""`python -m bench.swift`: every side in every round, in an order that moves on, on one server; then what was found."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.body import MIB
from bench.machine import facts, installed, load_found
from bench.measure import SideFailed
from bench.memory import kept_from_the_hypervisor
from bench.network.measure import Place
from bench.network.report import tell
from bench.network.source import image_file
from bench.rounds import chosen, in_turn, parser
from bench.sides import IMAGE
from bench.swift.measure import CHILD
from bench.swift.report import verdicts
from bench.swift.sides import CURL, PEER, SIDES, UP, Access, Side
from tests.support.swift import SwiftAccount, SwiftServer, SwiftSettings

CONTAINER = "bench"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Exit status: 0 measured (whatever the verdicts), 1 a side failed or digests differ."""
    options = _parser().parse_args(arguments)
    size = options.size * MIB
    with (
        kept_from_the_hypervisor(5 * size),
        image_file(size) as source,
        SwiftServer(SwiftSettings(remembers=True), place=options.datadir) as swift,
    ):
        print(facts(swift.root), load_found(), sep="\n", flush=True)
        account = Account(swift.account(), source)
        try:
            results = in_turn(_chosen(options.only), options.rounds, lambda name: account.once(SIDES[name], size))
        except SideFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(load_found())
    return tell(results, verdicts(results), options.json)


def _parser() -> argparse.ArgumentParser:
    made = parser("bench.swift", __doc__, size=1024, rounds=3)
    temporary = Path(tempfile.gettempdir())
    made.add_argument(
        "--datadir", type=Path, default=temporary, help="where the server stores (default: %(default)s, on a disk)"
    )
    return made


def _chosen(only: Sequence[str]) -> list[str]:
    missing = [who for who, there in ((PEER, installed(PEER)), (CURL, shutil.which(CURL))) if not there]
    return chosen(SIDES.values(), missing=missing, only=only)


class Account(Place[Access]):
    """The account, emptied after each measurement. A side downloads what it uploaded itself."""

    def __init__(self, account: SwiftAccount, source: Path) -> None:
        super().__init__(CHILD)
        self._account = account
        self._source = source

    @contextlib.contextmanager
    def ready(self, side: Side) -> Iterator[Access]:
        """A token, so that none expires meanwhile, and the container."""
        account, token = self._account, self._account.new_token()
        account.put(_container(side))
        try:
            yield Access(
                account.auth_url, account.login, account.key, account.storage_url, token, CONTAINER, str(self._source)
            )
        finally:
            for path in account.everything():
                account.delete(path)

    def uploader(self, side: Side) -> Side:
        """The first of its own uploads."""
        return next(each for each in SIDES.values() if (each.who, each.action) == (side.who, UP))

    def stored(self, side: Side) -> int:
        """As HEAD tells it."""
        return int(self._account.head(f"{_container(side)}/{IMAGE}").headers.get("content-length", -1))


def _container(side: Side) -> str:
    """glance_store, multi-tenant, has one for each image."""
    return f"{CONTAINER}_{IMAGE}" if side.who == PEER else CONTAINER


if __name__ == "__main__":
    sys.exit(main())
