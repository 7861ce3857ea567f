"""Servers that take a gigabyte and keep a line of it: for tests of memory and of slow stores. How a test uses them:

    with S3Sink() as sink:                              # path style at sink.url, any bucket, any credentials
        sink.delays["UploadPart"] = 0.5                 # seconds that each takes, after its body was read
        ...                                             # the driver under test uploads
        assert sink.objects["bucket/key"].size == GIBIBYTE
        assert sink.counts["UploadPart"] == 128 and sink.peaks["UploadPart"] <= 4      # how many at a time, at most
        assert sink.uploads == {}                       # nothing was left open

    with SwiftSink() as sink:                           # auth version 1 at sink.auth_url, any user, any key
        assert sink.objects["container/key"].segments   # of a static large object

Sizes and MD5s are real, what is read is not: an object that was uploaded, or made up by `sink.add("bucket/key", size)`,
reads as `generated(start, stop)`, whole or in ranges. No signature is checked, and no token but that it was given out.
"""

from tests.support.sink.bodies import generated
from tests.support.sink.s3 import S3Sink
from tests.support.sink.swift import SwiftSink

__all__ = ["S3Sink", "SwiftSink", "generated"]
