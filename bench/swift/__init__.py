"""The Swift driver compared with what else puts images into Swift, in one run on one server.

`python -m bench.swift`; doc/performance.md says what is measured and how.
"""
