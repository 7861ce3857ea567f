"""moto's S3 for tests. How a test uses it:

    def test_something(moto: MotoServer) -> None:         # one moto for the whole run, started when first used
        bucket = moto.bucket()                            # fresh; bucket.endpoint, .name, .access_key, .secret_key
        ...                                               # the driver under test does its work
        assert bucket.everything() == {"key"}             # objects and open multipart uploads, asked with a bare client

It is there for the shapes of Amazon's API, for ListMultipartUploads and paging above all. It checks no signature and no
checksum, and lets nothing expire: what rests on those is tested on the S3 API of Swift, which is real.
"""

from tests.support.moto.server import MotoBucket, MotoServer

__all__ = ["MotoBucket", "MotoServer"]
