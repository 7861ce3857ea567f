"""OpenStack's Glance, as it is on the index, with drivers of this repository."""

from tests.support.glance.server import GlanceServer, prepared

__all__ = ["GlanceServer", "prepared"]
