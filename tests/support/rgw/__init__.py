"""A real Ceph with its gateway (RGW), which speaks S3 and Swift. How a test uses it:

    def test_something(rgw: RgwServer) -> None:     # one Ceph for the whole run, started when first used
        account = rgw.account()                     # fresh: of the Swift API, and of S3 by access_key and key
        ...                                         # the driver under test does its work
        assert account.everything() == set()        # asked with a bare client of the Swift API

It is what Debian packages: one monitor and one OSD in memory. `rgw.url` is plain, `rgw.tls_url` speaks TLS.
"""

from tests.support.rgw.server import RgwAccount, RgwServer, needs_rgw

__all__ = ["RgwAccount", "RgwServer", "needs_rgw"]
