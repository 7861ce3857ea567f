"""Images in containers of OpenStack Swift, or of another server with its API (extra `swift`)."""

from imgstore.distribution import needs

with needs("swift"):
    from imgstore.drivers.swift.driver import SwiftDriver

__all__ = ["SwiftDriver"]
