"""An address where nobody listens, and nobody else will: its port is taken, and refuses.

A port that was closed again is given to whoever asks next, another test's server for instance.
"""

from __future__ import annotations

import functools
import socket


@functools.cache
def refusing_address() -> str:
    """Host and port; for the rest of the process."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{holder.getsockname()[1]}"
    holder.detach()  # it stays open
    return address
