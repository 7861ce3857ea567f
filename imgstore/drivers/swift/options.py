"""The options of the Swift driver, as an operator reads them: what cannot work stops the start with the option's name.

Whether the account works is for the driver's `check` to find out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from oslo_config import cfg

from imgstore.driver.options import bad, option, size_option
from imgstore.drivers.swift.credentials import NAMES, Credentials, read_account
from imgstore.model import MIB

DEFAULT_REFERENCE = "ref1"
"""glance_store's, too."""
SEGMENTS = "_segments"
LARGEST_SEGMENT = 5 * 1024**3
LONGEST_CONTAINER = 256
LONGEST_KEY = 200
DASHES = 4
PROJECT = "%(project_id)s"
INTERFACES = ("public", "internal", "admin", "publicURL", "internalURL", "adminURL")

_URL_SAFE = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SwiftOptions(Credentials):
    """The options. Sizes are in bytes, times in seconds. Raises ConfigurationError naming the option (section "")."""

    account_file: str | None = option(
        cfg.StrOpt,
        help="File of accounts, as glance_store's swift_store_config_file: an ini file with a section for each account "
        "(auth_address, user, key ...). It replaces the options above.",
    )
    reference: str = option(
        cfg.StrOpt, default=DEFAULT_REFERENCE, help="The section of account_file that this store uses."
    )
    region: str | None = option(
        cfg.StrOpt, help="Region of the Swift endpoint in Keystone's catalog; unset: the first one."
    )
    endpoint_type: str = option(
        cfg.StrOpt,
        default="public",
        choices=INTERFACES,
        help="Interface of the Swift endpoint in Keystone's catalog.",
    )
    service_type: str = option(
        cfg.StrOpt, default="object-store", help="Type of the Swift service in Keystone's catalog."
    )
    endpoint: str | None = option(
        cfg.StrOpt,
        help="URL of the account, as in 'https://swift.example.org/v1/AUTH_abc', instead of what the catalog or the "
        "answer of version 1 says. With multi_tenant '%(project_id)s' in it is the caller's project.",
    )
    insecure: bool = option(
        cfg.BoolOpt,
        default=False,
        help="Whether certificates are not verified. For trials only: cacert is the way to trust a private authority.",
    )
    cacert: str | None = option(
        cfg.StrOpt, help="File with the certificates of the authorities to trust instead of the usual ones."
    )
    connect_timeout: float = option(
        cfg.FloatOpt,
        default=10.0,
        min=0.1,
        max=86400,
        help="Seconds to wait for a connection to be accepted, and for its TLS handshake; what is sent is bounded by "
        "read_timeout.",
    )
    read_timeout: float = option(
        cfg.FloatOpt,
        default=60.0,
        min=0.1,
        max=86400,
        help="Seconds to wait for an answer, and for each 64KiB of a body, or its rest, to move. After them a download "
        "goes on at another location of the image.",
    )
    max_attempts: int = option(
        cfg.IntOpt,
        default=5,
        min=1,
        max=20,
        help="How often a request is sent at most where the server answers 408, 409, 429, 498 or 5xx, or the "
        "connection breaks. The pauses in between grow to 10 seconds, or follow Retry-After, up to 60. All attempts "
        "together take at most three times read_timeout, and the time that the bytes take.",
    )
    container: str = option(
        cfg.StrOpt,
        default="glance",
        help="The container that holds the images; with multiple_containers_seed or multi_tenant the beginning of the "
        "containers' names.",
    )
    segments_container: str | None = option(
        cfg.StrOpt,
        help="The container that holds the segments of large images, of this store only. Unset: the container's name "
        "and '_segments'.",
    )
    multiple_containers_seed: int = option(
        cfg.IntOpt,
        default=0,
        min=0,
        max=32,
        help="How many letters of an image's identifier are added to the container's name, as glance_store does it: 2 "
        "spreads the images over 256 containers 'glance_00' to 'glance_ff', and the container 'glance' has the store's "
        "mark. 0: one container. Do not change it where there are images.",
    )
    create_container: bool = option(
        cfg.BoolOpt,
        default=False,
        help="Whether containers are created: the main one and that of the segments when the store is used for the "
        "first time, and never again (see 'Places' in doc/operation.md); those of multiple_containers_seed when first "
        "used.",
    )
    storage_policy: str | None = option(
        cfg.StrOpt, help="Storage policy of containers that are created; unset: the server's default."
    )
    multi_tenant: bool = option(
        cfg.BoolOpt,
        default=False,
        help="Whether an image goes into its owner's own account, with the token of the caller, into a container of "
        "its own. The host has to pass the caller's context on; see doc/swift.md.",
    )
    admin_tenants: Sequence[str] = option(
        cfg.ListOpt,
        default=(),
        help="With multi_tenant: identifiers of the projects that may read and write every image's container.",
    )
    large_object_threshold: int | None = size_option(
        min=1,
        max=LARGEST_SEGMENT,
        help="Images of up to so many bytes are stored by one request, larger ones as static large objects in "
        "segments. Unset: segment_size. Less where the server's max_file_size is less.",
    )
    segment_size: int = size_option(
        default=64 * MIB,
        min=1,
        max=LARGEST_SEGMENT,
        help="Bytes of a segment; more where an image would need more segments than the server takes (the server says: "
        "max_manifest_segments, usually 1000). An upload holds large_object_threshold + (concurrency + 1) * "
        "segment_size bytes.",
    )
    concurrency: int = option(
        cfg.IntOpt, default=2, min=1, max=64, help="Segments of one image that are sent at the same time."
    )
    largest_unknown_size: int = size_option(
        default=1024**4,
        min=1,
        help="The segments of an upload of unknown length grow so that an image of this size fits into the segments "
        "that the server takes. A lower value makes them grow less and saves memory: see doc/swift.md.",
    )
    read_concurrency: int = option(
        cfg.IntOpt,
        default=2,
        min=1,
        max=64,
        help="Ranges of one image that are fetched at the same time for a download. 1: one body, streamed. More: a "
        "download holds (read_concurrency + 1) * read_block_size bytes.",
    )
    read_block_size: int = size_option(default=16 * MIB, min=64 * 1024, help="Bytes of one such range.")
    check_quota: bool = option(
        cfg.BoolOpt,
        default=True,
        help="Whether an upload asks for the quotas of container and account when it begins, and keeps them to the "
        "byte: Swift itself does not stop segments and uploads of unknown length.",
    )
    quota_age: float = option(
        cfg.FloatOpt,
        default=60.0,
        min=0.0,
        max=86400,
        help="Seconds for which 'there is no quota' is remembered, so that an upload needs no further request.",
    )
    temp_url_key: str | None = option(
        cfg.StrOpt,
        secret=True,
        help="Key that signs temporary URLs. Unset: the one that the account has (X-Account-Meta-Temp-URL-Key).",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_urls()
        self._refuse_containers()
        self._refuse_combinations()
        if self.own is not None:
            self.refuse_incomplete()

    @property
    def own(self) -> Credentials | None:
        """These options as credentials; None where they are in `account_file`, or where every caller has a token."""
        in_file_or_callers = self.account_file is not None or (self.multi_tenant and self.auth_url is None)
        return None if in_file_or_callers else self

    @property
    def verify(self) -> bool | str:
        """As requests has it: whether certificates are verified, or against which file."""
        return False if self.insecure else self.cacert or True

    @property
    def endpoint_wanted(self) -> dict[str, str | None]:
        """What the endpoint in Keystone's catalog is looked up by; 'URL' is a suffix of Keystone's version 2."""
        interface = self.endpoint_type.removesuffix("URL")
        return {"service_type": self.service_type, "interface": interface, "region_name": self.region}

    @property
    def account_url(self) -> str | None:
        """`endpoint` without a slash at its end."""
        return self.endpoint and self.endpoint.rstrip("/")

    @property
    def largest_small(self) -> int:
        """Bytes up to which an image is one object."""
        return self.segment_size if self.large_object_threshold is None else self.large_object_threshold

    def credentials(self) -> Credentials | None:
        """The store's account; reads the file of accounts, if there is one. Raises ConfigurationError."""
        if self.account_file is None:
            return self.own
        found = read_account(self.account_file, self.reference, version=self.auth_version)
        if not _is_plain(found.auth_url or ""):  # without the value in the text, as below
            problem = f"{self.account_file}: auth_address of [{self.reference}] is not a plain URL of a server."
            raise bad("account_file", problem, "Write it as in 'https://host:port/path'.")
        return found

    def _refuse_urls(self) -> None:
        endpoint = self.endpoint and self.endpoint.replace(PROJECT, "x")
        for name, url in (("auth_url", self.auth_url), ("endpoint", endpoint)):
            if url is not None and not _is_plain(url):
                # Without the value in the text: a password may be in it.
                raise bad(name, "The value is not a plain URL of a server.", "Write it as in 'https://host:port/path'.")

    def _refuse_containers(self) -> None:
        self._refuse_container("container", self.container)
        if self.segments_container is not None:
            self._refuse_container("segments_container", self.segments_container)
        if self.segments_container == self.container:
            raise bad("segments_container", "is the container of the images.", "Name another one, or unset it.")

    def _refuse_container(self, name: str, value: object) -> None:
        if not isinstance(value, str) or _URL_SAFE.fullmatch(value) is None or value in {".", ".."}:
            raise bad(name, f"{value!r} cannot be a container's name.", "Use letters, digits, '.', '_', '~' and '-'.")
        # Added may be: a key or letters of it, with dashes that do not count, and a suffix.
        letters = LONGEST_KEY if self.multi_tenant else self.multiple_containers_seed + DASHES
        longest = LONGEST_CONTAINER - 1 - letters - len(SEGMENTS)
        if len(value) > longest:
            raise bad(name, f"has {len(value)} letters.", f"Use at most {longest}: what is added needs the others.")

    def _refuse_combinations(self) -> None:
        if self.account_file is not None:
            self._refuse_beside("account_file", [name for name in NAMES if name != "auth_version"])
        if self.multi_tenant:
            self._refuse_beside("multi_tenant", ["account_file", "multiple_containers_seed", "segments_container"])
        elif self.endpoint and PROJECT in self.endpoint:
            raise bad("endpoint", f"{PROJECT} is in it without multi_tenant.", "Write the URL of the account.")
        if self.insecure:
            self._refuse_beside("insecure", ["cacert"])

    def _refuse_beside(self, one: str, others: Sequence[str]) -> None:
        for other in others:
            if getattr(self, other):
                raise bad(other, f"is set, and {one} is too.", "Unset one of them.")


def _is_plain(url: str) -> bool:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return bool(good) and re.fullmatch(r"[!-~]+", url) is not None and not set("@?#") & set(url)
