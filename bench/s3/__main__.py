"""`python -m bench.s3`: every side in every round, in an order that moves on, on one server; then what was found."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import boto3

from bench.body import MIB
from bench.machine import facts, installed, load_found
from bench.measure import Measurement, SideFailed
from bench.report import Results, disagreement, table
from bench.s3.measure import measure
from bench.s3.report import linearity, verdicts
from bench.s3.sides import AWS, DOWN, OURS, PEER, SIDES, UNKNOWN, UP, Access, Side
from bench.s3.source import Source
from bench.sides import IMAGE
from tests.support.sink import S3Sink
from tests.support.swift import SwiftServer, SwiftSettings

LINEAR = (256, 512, 1024)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark. Exit status: 0 measured (whatever the verdicts), 1 a side failed or digests differ."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="imgstore-bench-") as work, _server(options, Path(work)) as access:
        print(
            facts(Path(work)), load_found(), f"server {options.server}, {access.endpoint.partition(':')[0]}", sep="\n"
        )
        try:
            results = _rounds(_chosen(options, access), options.size * MIB, options.rounds, access)
            linear = _linear(options, access)
        except SideFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(load_found(), "", table(results) if results else "", "", sep="\n")
    print(*verdicts(results), *linearity(linear), sep="\n", flush=True)
    if options.json:
        runs = {name: [asdict(run) for run in found] for name, found in results.items()}
        options.json.write_text(json.dumps(runs, indent=1) + "\n")
    return 1 if disagreement(results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.s3", description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the image (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (default: %(default)s)")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="sides whose name has TEXT in it")
    parser.add_argument(
        "--server", choices=("swift", "sink"), default="swift", help="a real one, or one that keeps nothing"
    )
    parser.add_argument("--tls", action="store_true", help="https (Swift only)")
    parser.add_argument("--linear", type=int, nargs="*", default=LINEAR, metavar="MIB", help="sizes of unknown length")
    parser.add_argument("--aws", default=shutil.which("aws"), help="the aws command line (default: from the PATH)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every measurement, for later")
    return parser


@contextlib.contextmanager
def _server(options: argparse.Namespace, work: Path) -> Iterator[Access]:
    source = work / "source"
    if options.aws:
        with source.open("wb") as file:
            file.writelines(Source(options.size * MIB).chunks())
    if options.server == "sink":
        with S3Sink() as sink:
            yield Access(sink.url, "bucket", "key", "secret", "us-east-1", None, options.aws, str(source))
        return
    with SwiftServer(SwiftSettings(tls=options.tls, async_delete=False)) as swift:
        account = swift.account()
        ca_file = str(swift.ca_file) if options.tls else None
        yield Access(
            swift.url, account.container(), account.access_key, account.key, "us-east-1", ca_file, options.aws,
            str(source),
        )  # fmt: skip


def _chosen(options: argparse.Namespace, access: Access) -> list[str]:
    missing = {who for who, there in ((PEER, installed(PEER)), (AWS, access.aws)) if not there}
    for who in sorted(missing):
        print(f"{who} is not installed: its sides are left out")
    if options.server == "sink":
        missing.add(DOWN)  # it gives back other bytes than it got, which a check notices
    return [
        name
        for name, side in SIDES.items()
        if side.who not in missing and side.action not in missing | {UNKNOWN}
        and (not options.only or any(text in name for text in options.only))
    ]  # fmt: skip


def _rounds(names: Sequence[str], size: int, rounds: int, access: Access) -> Results:
    results: dict[str, list[Measurement]] = {name: [] for name in names}
    for number in range(rounds):
        first = number * len(names) // rounds
        for name in [*names[first:], *names[:first]]:
            results[name].append(_once(name, size, access))
            print(f"round {number + 1}  {name}  {results[name][-1].mib_per_second:.0f} MiB/s", flush=True)
    return results


def _linear(options: argparse.Namespace, access: Access) -> dict[int, list[Measurement]]:
    name = Side(OURS, UNKNOWN).name
    sizes = [size * MIB for size in options.linear]
    return {size: [_once(name, size, access) for _ in range(options.rounds)] for size in sizes}


def _once(name: str, size: int, access: Access) -> Measurement:
    """One measurement; the object is there before a download, and gone after all."""
    client = boto3.client(
        "s3", endpoint_url=access.endpoint, region_name=access.region, aws_access_key_id=access.access_key,
        aws_secret_access_key=access.secret_key, verify=access.ca_file,
    )  # fmt: skip
    if SIDES[name].action == DOWN:
        measure(Side(OURS, UP).name, size=size, access=access)
    try:
        found = measure(name, size=size, access=access)
        stored = client.head_object(Bucket=access.bucket, Key=IMAGE)["ContentLength"]
        if stored != size:
            raise SideFailed(f"{name}: {stored} bytes are there, {size} were sent.")
        return found
    finally:
        client.delete_object(Bucket=access.bucket, Key=IMAGE)
        os.sync()


if __name__ == "__main__":
    sys.exit(main())
