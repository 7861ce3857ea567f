"""`python -m bench.s3`: every side in every round, in an order that moves on, on one server; then what was found."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.body import MIB
from bench.machine import facts, installed, load_found
from bench.measure import Measurement, SideFailed
from bench.memory import kept_from_the_hypervisor
from bench.network.measure import Place
from bench.network.report import tell
from bench.network.source import image_file
from bench.rounds import chosen, in_turn, parser
from bench.s3.measure import CHILD
from bench.s3.report import linearity, verdicts
from bench.s3.sides import AWS, DOWN, OURS, PEER, SIDES, UNKNOWN, UP, Access, Side, client
from bench.sides import IMAGE
from tests.support.sink import S3Sink
from tests.support.swift import SwiftServer, SwiftSettings

LINEAR = (256, 512, 1024)
REGION = "us-east-1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Exit status: 0 measured (whatever the verdicts), 1 a side failed or digests differ."""
    options = _parser().parse_args(arguments)
    size = options.size * MIB
    with kept_from_the_hypervisor(5 * size), image_file(size) as source, _server(options, source) as access:
        scheme = access.endpoint.partition(":")[0]
        print(facts(source), load_found(), f"server {options.server}, {scheme}", sep="\n", flush=True)
        bucket = Bucket(access)
        try:
            results = in_turn(_chosen(options), options.rounds, lambda name: bucket.once(SIDES[name], size))
            linear = _linear(options, bucket)
        except SideFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(load_found())
    return tell(results, [*verdicts(results), *linearity(linear)], options.json)


def _parser() -> argparse.ArgumentParser:
    made = parser("bench.s3", __doc__, size=1024, rounds=3)
    made.add_argument(
        "--server", choices=("swift", "sink"), default="swift", help="a real one, or one that keeps nothing"
    )
    made.add_argument("--tls", action="store_true", help="https (Swift only)")
    made.add_argument("--linear", type=int, nargs="*", default=LINEAR, metavar="MIB", help="sizes of unknown length")
    made.add_argument("--aws", default=shutil.which("aws"), help="the aws command line (default: from the PATH)")
    return made


@contextlib.contextmanager
def _server(options: argparse.Namespace, source: Path) -> Iterator[Access]:
    if options.server == "sink":
        with S3Sink() as sink:
            yield Access(sink.url, "bucket", "key", "secret", REGION, None, options.aws, str(source), keeps=False)
        return
    with SwiftServer(SwiftSettings(tls=options.tls, async_delete=False)) as swift:
        account = swift.account()
        ca_file = str(swift.ca_file) if options.tls else None
        yield Access(
            swift.url, account.container(), account.access_key, account.key, REGION, ca_file, options.aws, str(source)
        )


def _chosen(options: argparse.Namespace) -> list[str]:
    """Without the uploads of unknown length, which have sizes of their own."""
    missing = [who for who, there in ((PEER, installed(PEER)), (AWS, options.aws)) if not there]
    # The sink gives back other bytes than it got, which a check notices.
    apart = (UNKNOWN, DOWN) if options.server == "sink" else (UNKNOWN,)
    sides = [side for side in SIDES.values() if side.action not in apart]
    return chosen(sides, missing=missing, only=options.only)


def _linear(options: argparse.Namespace, bucket: Bucket) -> dict[int, list[Measurement]]:
    side = Side(OURS, UNKNOWN)
    sizes = [size * MIB for size in options.linear]
    return {size: [bucket.once(side, size) for _ in range(options.rounds)] for size in sizes}


class Bucket(Place[Access]):
    """The bucket, with one object at a time. All download what imgstore uploaded."""

    def __init__(self, access: Access) -> None:
        super().__init__(CHILD)
        self._access = access
        self._client = client(access)

    @contextlib.contextmanager
    def ready(self, side: Side) -> Iterator[Access]:
        """The same for every side."""
        try:
            yield self._access
        finally:
            self._client.delete_object(Bucket=self._access.bucket, Key=IMAGE)

    def uploader(self, side: Side) -> Side:
        """Imgstore."""
        return Side(OURS, UP)

    def stored(self, side: Side) -> int:
        """As HEAD tells it, which fails if there is no object."""
        size: int = self._client.head_object(Bucket=self._access.bucket, Key=IMAGE)["ContentLength"]
        return size


if __name__ == "__main__":
    sys.exit(main())
