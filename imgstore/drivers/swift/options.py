"""The options of the Swift driver, as an operator reads them. `settings` checks their values.

What this module refuses to do: input or output, a decision.
"""

from __future__ import annotations

from oslo_config import cfg

from imgstore.driver.options import size_opt
from imgstore.model import MIB

CONTAINER = "glance"
REFERENCE = "ref1"
SERVICE_TYPE = "object-store"
SEGMENT_SIZE = 64 * MIB
LARGEST_SEGMENT = 5 * 1024**3
LARGEST_UNKNOWN = 1024**4
CONCURRENCY = 2
BLOCK_SIZE = 16 * MIB
READ_CONCURRENCY = 2
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
MAX_ATTEMPTS = 5
QUOTA_AGE = 60.0
INTERFACES = ("public", "internal", "admin", "publicURL", "internalURL", "adminURL")

_WHO = (
    cfg.StrOpt(
        "auth_version",
        default="3",
        choices=("1", "3"),
        help="Who gives the tokens: '3' for Keystone, '1' for Swift's own tempauth and for Ceph's gateway (RGW).",
    ),
    cfg.StrOpt(
        "auth_url",
        help="Where tokens are given: for Keystone as in 'https://keystone.example.org:5000/v3', for version 1 as in "
        "'https://swift.example.org/auth/v1.0'. Required, unless account_file names it.",
    ),
    cfg.StrOpt("username", help="Name of the user whose account holds the images; for version 1 'account:user'."),
    cfg.StrOpt("user_id", help="Identifier of the user, instead of username."),
    cfg.StrOpt("password", secret=True, help="Password of the user; for version 1 the key."),
    cfg.StrOpt("user_domain_name", help="Name of the user's domain. Unset, without user_domain_id: 'default'."),
    cfg.StrOpt("user_domain_id", help="Identifier of the user's domain, instead of user_domain_name."),
    cfg.StrOpt("project_name", help="Name of the project whose account holds the images."),
    cfg.StrOpt("project_id", help="Identifier of the project, instead of project_name."),
    cfg.StrOpt(
        "project_domain_name", help="Name of the project's domain. Unset, without project_domain_id: 'default'."
    ),
    cfg.StrOpt("project_domain_id", help="Identifier of the project's domain, instead of project_domain_name."),
    cfg.StrOpt(
        "application_credential_id",
        help="Identifier of an application credential, instead of user, password and project.",
    ),
    cfg.StrOpt(
        "application_credential_name",
        help="Name of an application credential, instead of its identifier; it needs username or user_id too.",
    ),
    cfg.StrOpt("application_credential_secret", secret=True, help="Secret of the application credential."),
    cfg.StrOpt(
        "account_file",
        help="File of accounts, as glance_store's swift_store_config_file: an ini file with a section for each account "
        "(auth_address, user, key ...). It replaces the options above.",
    ),
    cfg.StrOpt("reference", default=REFERENCE, help="The section of account_file that this store uses."),
)

_WHERE = (
    cfg.StrOpt("region", help="Region of the Swift endpoint in Keystone's catalog; unset: the first one."),
    cfg.StrOpt(
        "endpoint_type",
        default="public",
        choices=INTERFACES,
        help="Interface of the Swift endpoint in Keystone's catalog.",
    ),
    cfg.StrOpt("service_type", default=SERVICE_TYPE, help="Type of the Swift service in Keystone's catalog."),
    cfg.StrOpt(
        "endpoint",
        help="URL of the account, as in 'https://swift.example.org/v1/AUTH_abc', instead of what the catalog or the "
        "answer of version 1 says. With multi_tenant '%(project_id)s' in it is the caller's project.",
    ),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="Whether certificates are not verified. For trials only: cacert is the way to trust a private authority.",
    ),
    cfg.StrOpt("cacert", help="File with the certificates of the authorities to trust instead of the usual ones."),
    cfg.FloatOpt(
        "connect_timeout", default=CONNECT_TIMEOUT, min=0.1, help="Seconds to wait for a connection to be accepted."
    ),
    cfg.FloatOpt("read_timeout", default=READ_TIMEOUT, min=0.1, help="Seconds to wait for the server's next sign."),
    cfg.IntOpt(
        "max_attempts",
        default=MAX_ATTEMPTS,
        min=1,
        max=20,
        help="How often a request is sent at most where the server answers 408, 429, 498 or 5xx, or the connection "
        "breaks. Pauses between them grow, up to 10 seconds, or are as long as the server says, up to 60.",
    ),
)

_CONTAINERS = (
    cfg.StrOpt(
        "container",
        default=CONTAINER,
        help="The container that holds the images; with multiple_containers_seed or multi_tenant the beginning of the "
        "containers' names.",
    ),
    cfg.StrOpt(
        "segments_container",
        help="The container that holds the segments of large images. It belongs to this driver: what is in it without "
        "a manifest is taken for a leftover. Unset: the container's name and '_segments'.",
    ),
    cfg.IntOpt(
        "multiple_containers_seed",
        default=0,
        min=0,
        max=32,
        help="How many letters of an image's identifier are added to the container's name, as glance_store does it: 2 "
        "spreads the images over 256 containers 'glance_00' to 'glance_ff'. 0: one container. Do not change it where "
        "there are images.",
    ),
    cfg.BoolOpt(
        "create_container", default=False, help="Whether missing containers are created: at start, or when first used."
    ),
    cfg.StrOpt("storage_policy", help="Storage policy of containers that are created; unset: the server's default."),
    cfg.BoolOpt(
        "multi_tenant",
        default=False,
        help="Whether an image goes into its owner's own account, with the token of the caller, into a container of "
        "its own. The host has to pass the caller's context on; see doc/swift.md.",
    ),
    cfg.ListOpt(
        "admin_tenants",
        default=[],
        help="With multi_tenant: identifiers of the projects that may read and write every image's container.",
    ),
)

_TRANSFER = (
    size_opt(
        "large_object_threshold",
        min=1,
        max=LARGEST_SEGMENT,
        help="Images of up to so many bytes are stored by one request, larger ones as static large objects in "
        "segments. Unset: segment_size. Less where the server's max_file_size is less.",
    ),
    size_opt(
        "segment_size",
        default=SEGMENT_SIZE,
        min=1,
        max=LARGEST_SEGMENT,
        help="Bytes of a segment; more where an image would need more segments than the server takes (the server says: "
        "max_manifest_segments, usually 1000). An upload holds large_object_threshold + (concurrency + 1) * "
        "segment_size bytes.",
    ),
    cfg.IntOpt(
        "concurrency", default=CONCURRENCY, min=1, max=64, help="Segments of one image that are sent at the same time."
    ),
    size_opt(
        "largest_unknown_size",
        default=LARGEST_UNKNOWN,
        min=1,
        help="The segments of an upload of unknown length grow so that the server's number of segments holds so many "
        "bytes. With less they grow less, and take less memory: see doc/swift.md.",
    ),
    cfg.IntOpt(
        "read_concurrency",
        default=READ_CONCURRENCY,
        min=1,
        max=64,
        help="Ranges of one image that are fetched at the same time for a download. 1: one body, streamed. More: a "
        "download holds (read_concurrency + 1) * read_block_size bytes.",
    ),
    size_opt("read_block_size", default=BLOCK_SIZE, min=64 * 1024, help="Bytes of one such range."),
    cfg.BoolOpt(
        "check_quota",
        default=True,
        help="Whether the quotas that Swift has for container and account are asked for when an upload begins, and "
        "kept to the byte: Swift itself does not stop segments and uploads of unknown length.",
    ),
    cfg.FloatOpt(
        "quota_age",
        default=QUOTA_AGE,
        min=0.0,
        help="Seconds for which 'there is no quota' is remembered, so that an upload needs no further request.",
    ),
    cfg.StrOpt(
        "temp_url_key",
        secret=True,
        help="Key that signs temporary URLs. Unset: the one that the account has (X-Account-Meta-Temp-URL-Key).",
    ),
)

OPTIONS: tuple[cfg.Opt, ...] = (*_WHO, *_WHERE, *_CONTAINERS, *_TRANSFER)
