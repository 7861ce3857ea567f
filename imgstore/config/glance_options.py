"""The options of Glance and glance_store that have a counterpart here, and how their values are converted.

A conversion gets the text of the old value and gives that of the new one. It raises ValueError with the cure for a
value that cannot be kept. What an operator sets and what is in no table has no counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Convert = Callable[[str], str]

_QUOTA = re.compile(r"([0-9]+)([KMGT]?)B?", re.ASCII)
DATADIR = "/var/lib/glance/images"
"""Where glance_store's filesystem driver writes if nothing is set."""


@dataclass(frozen=True)
class Counterpart:
    """The new option for an old one."""

    name: str
    convert: Convert = str


def _mebibytes(text: str) -> str:
    return f"{_number(text)}MiB"


def _octal(text: str) -> str:
    """0 means the permissions that the umask leaves, so it has none of its own."""
    return f"{_number(text):04d}" if _number(text) > 0 else ""


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("Write a number.")
    return int(text)


def _quota(text: str) -> str:
    """Glance counts its KB, MB, GB and TB by 1024; 0 is no limit."""
    match = _QUOTA.fullmatch(text)
    if match is None:
        raise ValueError("Write a number with B, KB, MB, GB or TB behind it, or nothing.")
    return f"{match[1]}{match[2]}{'iB' if match[2] else ''}" if int(match[1]) else ""


def _host(text: str) -> str:
    return text if text.startswith(("http://", "https://")) else f"http://{text}"


def _one_directory(text: str) -> str:
    """`directory:priority`, once."""
    directories = text.splitlines()
    if len(directories) > 1:
        raise ValueError("A store has one directory here: enable a store for each, with a weight for the priority.")
    return directories[0].partition(":")[0]


def _plain(names: str) -> dict[str, Counterpart]:
    return {old: Counterpart(new) for old, new in (pair.split(">") for pair in names.split())}


OWN: Mapping[tuple[str, str], Counterpart] = {
    ("glance_store", "default_backend"): Counterpart("default_store"),
    ("DEFAULT", "image_size_cap"): Counterpart("max_image_size"),
    ("DEFAULT", "user_storage_quota"): Counterpart("project_quota", _quota),
    ("DEFAULT", "hashing_algorithm"): Counterpart("hash_algorithm"),
    ("image_format", "require_image_format_match"): Counterpart("require_image_format_match"),
}
"""What becomes an option of [imgstore], by section and option."""

STORES: Mapping[str, str] = {
    "file": "filesystem", "glance.store.filesystem.Store": "filesystem",
    "s3": "s3", "glance.store.s3.Store": "s3",
    "swift": "swift", "glance.store.swift.Store": "swift",
}  # fmt: skip
"""The drivers by the types of glance_store's stores."""

ANY_DRIVER = "imgstore"
"""The type whose section names the driver."""

OURS: Mapping[str, str] = {
    "imgstore_file": "filesystem", "imgstore_s3": "s3", "imgstore_swift": "swift", ANY_DRIVER: "",
}  # fmt: skip
"""The drivers by the types that are imgstore's in Glance (`imgstore.glance.stores`)."""

GLANCE_ONLY = frozenset({"places_dir"})
"""Options of those types that a store has in Glance only."""

COMMON: Mapping[str, Counterpart] = _plain("store_description>description weight>weight")

OPTIONS: Mapping[str, Mapping[str, Counterpart]] = {
    "filesystem": {
        "filesystem_store_datadir": Counterpart("datadir"),
        "filesystem_store_datadirs": Counterpart("datadir", _one_directory),
        "filesystem_store_file_perm": Counterpart("file_mode", _octal),
        "filesystem_thin_provisioning": Counterpart("thin_provisioning"),
    },
    "s3": {
        "s3_store_host": Counterpart("endpoint_url", _host),
        "s3_store_large_object_size": Counterpart("multipart_threshold", _mebibytes),
        "s3_store_large_object_chunk_size": Counterpart("part_size", _mebibytes),
        **_plain(
            "s3_store_region_name>region s3_store_access_key>access_key s3_store_secret_key>secret_key "
            "s3_store_bucket>bucket s3_store_create_bucket_on_put>create_bucket "
            "s3_store_bucket_url_format>addressing_style s3_store_thread_pools>concurrency s3_store_cacert>ca_bundle"
        ),
    },
    "swift": {
        "swift_store_large_object_size": Counterpart("large_object_threshold", _mebibytes),
        "swift_store_large_object_chunk_size": Counterpart("segment_size", _mebibytes),
        **_plain(
            "default_swift_reference>reference swift_store_config_file>account_file "
            "swift_store_auth_version>auth_version swift_store_auth_address>auth_url swift_store_key>password "
            "swift_store_application_credential_id>application_credential_id "
            "swift_store_application_credential_secret>application_credential_secret "
            "swift_store_project_name>project_name swift_store_project_id>project_id "
            "swift_store_auth_insecure>insecure swift_store_cacert>cacert swift_store_region>region "
            "swift_store_endpoint>endpoint swift_store_endpoint_type>endpoint_type "
            "swift_store_service_type>service_type swift_store_container>container "
            "swift_store_create_container_on_put>create_container swift_store_multi_tenant>multi_tenant "
            "swift_store_multiple_containers_seed>multiple_containers_seed swift_store_admin_tenants>admin_tenants"
        ),
    },
}
"""What becomes an option of a store, by its driver."""

WITHOUT: Mapping[str, frozenset[str]] = {
    "filesystem": frozenset({
        "filesystem_store_metadata_file", "filesystem_store_chunk_size", "filesystem_store_timeout",
        "filesystem_store_thread_pool_size", "filesystem_store_threadpool_threshold",
    }),
    "s3": frozenset({
        "s3_store_enable_data_integrity_protection", "s3_store_request_checksum_calculation",
        "s3_store_response_checksum_validation", "s3_store_object_buffer_dir",
    }),
    "swift": frozenset({
        "swift_store_ssl_compression", "swift_store_retry_get_count", "swift_store_expire_soon_interval",
        "swift_store_use_trusts", "swift_buffer_on_upload", "swift_upload_buffer_dir",
    }),
}  # fmt: skip
"""The options of glance_store's drivers without a counterpart."""

SECRETS = frozenset({
    "s3_store_access_key", "s3_store_secret_key", "swift_store_key", "swift_store_application_credential_secret",
})  # fmt: skip

USER = "swift_store_user"
"""`project:user`, which are two options here."""

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "filesystem": ("filesystem_",), "s3": ("s3_store_",), "swift": ("swift_", "default_swift_"),
}  # fmt: skip
"""How the names of the options begin, by driver."""

OTHERS = (
    "rbd_store_",
    "rados_",
    "cinder_",
    "http_",
    "https_",
    "vmware_",
    *(each for some in PREFIXES.values() for each in some),
)
"""How the names of all of glance_store's options begin."""
