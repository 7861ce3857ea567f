"""Images in a bucket of Amazon S3, or of another server with its API (extra `s3`)."""

from imgstore.distribution import needs

with needs("s3"):
    from imgstore.drivers.s3.driver import S3Driver

__all__ = ["S3Driver"]
