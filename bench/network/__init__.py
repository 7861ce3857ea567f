"""The harness of the comparisons on a server, `bench.s3` and `bench.swift`, which have in them only what differs.

Not a program by itself: it knows no protocol and starts no server.
"""
