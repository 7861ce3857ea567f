"""Images in containers of OpenStack Swift, or of another server with its API (extra `swift`).

Bounded memory: an upload holds `large_object_threshold + (concurrency + 1) * segment_size` bytes, more only where the
server's limits or an unknown length make segments larger (`imgstore.driver.part_sizes`). A download holds one piece
of 256 KiB, with `read_concurrency` above 1 `(read_concurrency + 1) * read_block_size`.
"""

from imgstore.distribution import needs

with needs("swift"):
    from imgstore.drivers.swift.driver import SwiftDriver

__all__ = ["SwiftDriver"]
