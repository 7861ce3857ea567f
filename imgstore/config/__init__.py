"""Configuration: from ini files, a mapping, or a host's own ConfigOpts, to the library's objects."""

from imgstore.config.glance_catalog import GlanceSettings, glance_settings
from imgstore.config.load import load
from imgstore.config.mapping import from_mapping
from imgstore.config.sample import list_opts
from imgstore.config.settings import build_taps, capacities, project_quota, quota_limits, upload_settings
from imgstore.config.stores import build_stores, driver_names

__all__ = [
    "GlanceSettings",
    "build_stores",
    "build_taps",
    "capacities",
    "driver_names",
    "from_mapping",
    "glance_settings",
    "list_opts",
    "load",
    "project_quota",
    "quota_limits",
    "upload_settings",
]
