"""The Swift driver compared with what else puts images into Swift, in one run on one server.

`python -m bench.swift`, on the harness in `bench.network`; doc/performance.md says what is measured and how.
"""
