"""Any driver of OpenStack's glance_store as a driver of this library."""

from imgstore.drivers.glance_store.driver import GlanceStoreDriver

__all__ = ["GlanceStoreDriver"]
