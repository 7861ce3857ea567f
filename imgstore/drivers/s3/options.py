"""The options of the S3 driver: declared, checked, and what follows from them.

A value that cannot work stops the start with the option's name (the right blame). The `repr` shows no credential (no
secrets). Whether the bucket works is for the driver's `check` to find out.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass

from oslo_config import cfg

from imgstore.driver.options import Options, option, size_option
from imgstore.driver.part_sizes import PartSizes
from imgstore.drivers.s3.option_checks import refuse_unworkable
from imgstore.model import MIB

SMALLEST_PART = 64 * 1024
LARGEST_PART = 5 * 1024**3
LARGEST_OBJECT = 5 * 1024**4
MAX_PARTS = 10_000
AVERAGE_PART = LARGEST_OBJECT // MAX_PARTS
"""Bytes of a part if the largest object has the most parts. Parts of an image of unknown length grow to this average,
not beyond."""
CONNECTIONS_PER_PART = 10

_ADDRESSING = [
    ("auto", "in the path where endpoint_url is set, in the host name at Amazon"),
    ("path", "in the path"),
    ("virtual", "in the host name"),
]
_RETRY_MODES = [
    ("standard", "each request for itself"),
    ("adaptive", "also slows down all requests of this store when the server says so"),
]
_CHECKSUMS = [
    ("auto", "crc32 where the server returns it, else md5"),
    ("md5", "Content-MD5, and the ETag that nearly every server makes of it; six times the cost of crc32"),
    ("crc32", "x-amz-checksum-crc32"),
    ("crc32c", "x-amz-checksum-crc32c; needs the module awscrt: pip install 'botocore[crt]'"),
    ("crc64nvme", "x-amz-checksum-crc64nvme; needs the module awscrt too"),
    ("sha1", "x-amz-checksum-sha1"),
    ("sha256", "x-amz-checksum-sha256"),
]
_ENCRYPTIONS = [
    ("AES256", "with keys of the server's"),
    ("aws:kms", "with a key of the server's key management"),
    ("aws:kms:dsse", "the same in two layers"),
]


@dataclass(frozen=True, kw_only=True)
class S3Options(Options):
    """The values. Sizes are in bytes, times in seconds; an empty text is an option that is not set."""

    endpoint_url: str | None = option(
        cfg.StrOpt,
        help="URL of the S3 server, as in 'https://s3.example.org'; unset: Amazon's for the region. Without a user, a "
        "password or a query.",
    )
    region: str | None = option(
        cfg.StrOpt,
        help="The region that requests are signed for; unset: what boto3 finds in its environment, else 'us-east-1'. "
        "Most servers other than Amazon's take any region; Swift and Ceph take the one of their configuration.",
    )
    bucket: str = option(
        cfg.StrOpt,
        required=True,
        help="The bucket that holds the images. It belongs to this store alone, or else `prefix` does.",
    )
    prefix: str = option(
        cfg.StrOpt,
        default="",
        help="Folder inside the bucket, as in 'images' or 'cloud-1/images'; unset: the top, where glance_store's S3 "
        "driver keeps its images. The folder belongs to this store: 'imgstore purge' aborts every old multipart upload "
        "in it that has the name of an image.",
    )
    create_bucket: bool = option(
        cfg.BoolOpt,
        default=False,
        help="Whether 'imgstore check --create', or the very first start of a service, creates a missing bucket. "
        "Nothing else does: a bucket that is gone later is not made anew. Needs the permission s3:CreateBucket.",
    )
    addressing_style: str = option(
        cfg.StrOpt,
        default="auto",
        choices=_ADDRESSING,
        help="Where the URL of a request names the bucket.",
    )

    access_key: str | None = option(
        cfg.StrOpt,
        secret=True,
        help="Access key. If it is unset, boto3 looks in the environment (AWS_ACCESS_KEY_ID ...), the profile, the web "
        "identity, and the role of the instance. It renews what expires, in the middle of an upload too.",
    )
    secret_key: str | None = option(cfg.StrOpt, secret=True, help="Secret key that belongs to access_key.")
    session_token: str | None = option(
        cfg.StrOpt,
        secret=True,
        help="Session token of temporary keys. They expire, and nothing renews what is written here: prefer a profile "
        "or a role.",
    )
    profile: str | None = option(
        cfg.StrOpt,
        help="Profile of the shared configuration files (~/.aws/config, ~/.aws/credentials) to take keys from.",
    )

    verify: bool = option(
        cfg.BoolOpt,
        default=True,
        help="Whether the server's certificate is verified. Turn it off for trials only: ca_bundle is the way to trust "
        "a private authority.",
    )
    ca_bundle: str | None = option(
        cfg.StrOpt, help="File with the certificates of the authorities to trust instead of the usual ones."
    )
    client_cert: str | None = option(cfg.StrOpt, help="File with the certificate to show to the server.")
    client_key: str | None = option(cfg.StrOpt, help="File with the key of client_cert, unless client_cert holds it.")
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
        "goes on at another location of the image. Amazon may take minutes to put a large object together, but it "
        "sends blanks meanwhile.",
    )
    max_attempts: int = option(
        cfg.IntOpt,
        default=5,
        min=1,
        max=20,
        help="How often a request is sent at most if the server answers 429, 500, 502, 503, 504 or 'slow down', or if "
        "the connection breaks. Pauses between the attempts grow, up to 20 seconds. All attempts together take at most "
        "three times connect_timeout + read_timeout, and the time that the bytes take.",
    )
    retry_mode: str = option(
        cfg.StrOpt, default="standard", choices=_RETRY_MODES, help="How requests are repeated, as in boto3."
    )
    max_pool_connections: int | None = option(
        cfg.IntOpt,
        min=1,
        max=65535,
        help="Connections that are kept for further requests; more are opened when needed, and closed afterwards. "
        "Unset: ten times `concurrency`. A good number is `concurrency` times the uploads at a time.",
    )

    part_size: int = size_option(
        default=16 * MIB,
        min=SMALLEST_PART,
        max=LARGEST_PART,
        help="Bytes of a part of a large image; more if the image would need more than max_parts. Amazon and most "
        "servers refuse parts below 5MiB. An upload takes multipart_threshold + (concurrency + 1) * part_size bytes of "
        "memory.",
    )
    multipart_threshold: int | None = size_option(
        max=LARGEST_PART,
        help="The largest image that is stored by one request; a larger one is stored in parts. Unset: part_size.",
    )
    concurrency: int = option(
        cfg.IntOpt, default=4, min=1, max=64, help="Parts of one image that are sent at the same time."
    )
    max_parts: int = option(
        cfg.IntOpt,
        default=MAX_PARTS,
        min=2,
        max=MAX_PARTS,
        help="Parts that the server takes for one object: 10000 at Amazon, 1000 at Swift unless it is configured "
        "otherwise. The parts of an image of unknown length grow, so that max_parts of them can hold 5 TiB.",
    )
    equal_parts: bool = option(
        cfg.BoolOpt,
        default=False,
        help="Whether all parts but the last one have part_size bytes, as Cloudflare R2 requires. An image of unknown "
        "length then has at most max_parts * part_size bytes.",
    )
    read_concurrency: int = option(
        cfg.IntOpt,
        default=2,
        min=1,
        max=64,
        help="Ranges of one image that a download fetches at the same time. 1: one body, streamed. More: a download "
        "takes (read_concurrency + 1) * read_block_size bytes of memory.",
    )
    read_block_size: int = size_option(
        default=12 * MIB, min=SMALLEST_PART, max=LARGEST_PART, help="Bytes of one such range."
    )
    checksum: str = option(
        cfg.StrOpt,
        default="auto",
        choices=_CHECKSUMS,
        help="The checksum that is sent with the bytes. The driver compares the server's answer - that checksum, or "
        "else an ETag that is the md5 - with what it computed. It reads back what the server does not confirm.",
    )

    storage_class: str | None = option(
        cfg.StrOpt, help="Storage class of new objects, as in STANDARD_IA; unset: the bucket's."
    )
    encryption: str | None = option(
        cfg.StrOpt,
        choices=_ENCRYPTIONS,
        help="Server-side encryption of new objects; unset: what the bucket does by default.",
    )
    kms_key_id: str | None = option(
        cfg.StrOpt, help="Key of the encryption 'aws:kms'; unset: the server's default key."
    )
    # Not `option`, which has no default that is made anew for each.
    tags: Mapping[str, str] = dataclasses.field(
        default_factory=dict,
        metadata={"option": functools.partial(
            cfg.DictOpt,
            default={},
            help="Tags of new objects, as in 'owner:images,tier:gold'. Needs the permission s3:PutObjectTagging.",
        )},
    )  # fmt: skip
    capacity: int | None = size_option(
        help="Most bytes of images in this store; no limit if unset. The driver adds up what the bucket holds at the "
        "first use after start. Every process counts for itself: with several service processes give each its share, "
        "or use a quota of the server.",
    )

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            if each.default is None and getattr(self, each.name) == "":
                object.__setattr__(self, each.name, None)
        super().__post_init__()
        refuse_unworkable(vars(self))

    @property
    def server_url(self) -> str | None:
        """`endpoint_url` without a slash at the end."""
        return self.endpoint_url and self.endpoint_url.rstrip("/")

    @property
    def folder(self) -> str:
        """How the names of this store's objects begin: empty, or `prefix` with a slash at the end."""
        return "".join(f"{name}/" for name in (self.prefix or "").split("/") if name)

    @property
    def fixed_keys(self) -> bool:
        """Whether boto3 cannot find other keys if these expire."""
        return self.access_key is not None

    @property
    def threshold(self) -> int:
        """Bytes of the largest image that is stored by one request."""
        return self.part_size if self.multipart_threshold is None else self.multipart_threshold

    @property
    def pool_size(self) -> int:
        """Connections that are kept."""
        return self.max_pool_connections or CONNECTIONS_PER_PART * self.concurrency

    def part_sizes(self, size: int | None) -> PartSizes:
        """The parts of an object of `size` bytes (None: unknown). Raises StoreFull if it is too large."""
        reach = LARGEST_OBJECT if size is not None else self.max_parts * max(self.part_size, AVERAGE_PART)
        return PartSizes.for_size(
            size, part_size=self.part_size, most=self.max_parts, largest=min(reach, LARGEST_OBJECT),
            ceiling=LARGEST_PART, equal=self.equal_parts,
        )  # fmt: skip
