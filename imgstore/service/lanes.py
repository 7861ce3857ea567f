"""Which requests have threads of their own: whatever uploads and downloads do, an operator gets an answer.

Reserved threads need no option and no second port in firewalls, load balancers and probes that exist. `[service]
threads` are left to what waits for stores: uploads, downloads, deletions, free space.
"""

from __future__ import annotations

from imgstore.service.probes import Probes
from imgstore.service.server.lanes import Lane
from imgstore.service.status import StatusPage

PROBE_THREADS, STATUS_THREADS, DESCRIPTION_THREADS = 2, 2, 8


def _is_description(method: str, path: str) -> bool:
    """Whether the request asks the catalog only, and no store."""
    deletes_data = method == "DELETE" and "/tags/" not in path
    return not (deletes_data or path.rstrip("/").endswith(("/file", "/info/stores/detail")))


LANES = (
    Lane("probes", PROBE_THREADS, lambda method, path: path in Probes.PATHS),
    Lane("status", STATUS_THREADS, lambda method, path: path == StatusPage.PATH),
    Lane("descriptions", DESCRIPTION_THREADS, _is_description),
)
"""A hung database holds the descriptions, and never the probes. A Keystone that hangs may hold the status, which asks
it who the caller is, and never the probes either."""
