"""The benchmark: `python -m bench` compares uploads with other ways to store and digest the same bytes.

`bench.s3` and `bench.swift` do so on servers, with the harness in `bench.network`; `bench.ledger` is apart.
doc/performance.md says what is measured, how, and why so.
"""
