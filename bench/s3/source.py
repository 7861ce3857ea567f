"""Another name of `bench.network.source`, for `tests/bench/test_s3.py` until it imports from there."""

from bench.network.source import BLOCK, Nowhere, Source

__all__ = ["BLOCK", "Nowhere", "Source"]
