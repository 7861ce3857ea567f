"""The S3 driver compared with what else puts images into S3, in one run on one server.

`python -m bench.s3`, on the harness in `bench.network`; doc/performance.md says what is measured and how.
"""
