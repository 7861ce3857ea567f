"""`--expect`: the digests that an object must have."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from imgstore.cli.failures import BadUsage
from imgstore.transfers.expected import problem_of


def add_expect(parser: argparse.ArgumentParser, *, meaning: str) -> None:
    """The option, which may be repeated."""
    parser.add_argument("--expect", metavar="[ALGORITHM:]HEX", action="append", default=[], help=meaning)


def expectations(texts: Iterable[str], *, default: str) -> dict[str, str]:
    """Digests in lower case by algorithm; `default` is the algorithm of those that name none. Raises BadUsage."""
    found: dict[str, str] = {}
    for text in texts:
        before, _, digest = text.lower().strip().rpartition(":")
        algorithm = before or default
        if problem := problem_of(algorithm, digest):
            raise BadUsage(f"--expect: {problem}")
        if found.setdefault(algorithm, digest) != digest:
            raise BadUsage(f"--expect: there are two values for {algorithm}.")
    return found
