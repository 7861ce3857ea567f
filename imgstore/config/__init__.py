"""Configuration: from ini files, or a host's own ConfigOpts, to the library's objects."""

from imgstore.config.load import (
    build_stores,
    build_taps,
    capacities,
    driver_names,
    list_opts,
    load,
    project_quota,
    quota_limits,
    upload_settings,
)

__all__ = [
    "build_stores",
    "build_taps",
    "capacities",
    "driver_names",
    "list_opts",
    "load",
    "project_quota",
    "quota_limits",
    "upload_settings",
]
