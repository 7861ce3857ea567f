"""The goals on Swift: beside the best of the others who did as much of digests. CPU seconds are told, not judged."""

from __future__ import annotations

from bench.network.report import beside_fastest, beside_thriftiest
from bench.report import Results
from bench.swift.sides import BOTH, CURL, DOWN, ONE_BODY, OURS, PEER, SERVICE, UNKNOWN, UP, Side


def verdicts(results: Results) -> list[str]:
    """Two lines for each of our ways that something was measured for."""
    digesting = [Side(PEER, UP, BOTH).name, Side(PEER, UP, f"{BOTH}:{UNKNOWN}").name]
    writing = [Side(SERVICE, UP).name, Side(CURL, UP).name, *digesting]
    reading = [Side(who, DOWN).name for who in (PEER, SERVICE, CURL)]
    pairs = [
        (Side(OURS, UP).name, writing), (Side(OURS, UP, UNKNOWN).name, writing), (Side(OURS, UP, BOTH).name, digesting),
        (Side(OURS, DOWN).name, reading), (Side(OURS, DOWN, ONE_BODY).name, reading),
    ]  # fmt: skip
    return [
        line
        for ours, others in pairs
        for judged in (beside_fastest, beside_thriftiest)
        for line in judged(results, ours, others)
    ]
