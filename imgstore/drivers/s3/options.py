"""The options of the S3 driver, as an operator reads them. `settings` checks their values.

What this module refuses to do: input or output, a decision.
"""

from __future__ import annotations

from oslo_config import cfg

from imgstore.driver.options import size_opt
from imgstore.model import MIB

PART_SIZE = 16 * MIB
SMALLEST_PART = 64 * 1024
LARGEST_PART = 5 * 1024**3
MAX_PARTS = 10_000
BLOCK_SIZE = 12 * MIB
READ_CONCURRENCY = 2
CONCURRENCY = 4
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
MAX_ATTEMPTS = 5
ADDRESSING = [
    ("auto", "in the path where endpoint_url is set, in the host name at Amazon"),
    ("path", "in the path"),
    ("virtual", "in the host name"),
]
RETRY_MODES = [
    ("standard", "each request for itself"),
    ("adaptive", "also slows down all requests of this store when the server says so"),
]
CHECKSUMS = [
    ("auto", "crc32 where the server returns it, else md5"),
    ("md5", "Content-MD5, and the ETag that nearly every server makes of it; six times the cost of crc32"),
    ("crc32", "x-amz-checksum-crc32"),
    ("crc32c", "x-amz-checksum-crc32c; needs the module awscrt: pip install 'botocore[crt]'"),
    ("crc64nvme", "x-amz-checksum-crc64nvme; needs the module awscrt too"),
    ("sha1", "x-amz-checksum-sha1"),
    ("sha256", "x-amz-checksum-sha256"),
]
ENCRYPTIONS = [
    ("AES256", "with keys of the server's"),
    ("aws:kms", "with a key of the server's key management"),
    ("aws:kms:dsse", "the same in two layers"),
]

_WHERE = (
    cfg.StrOpt(
        "endpoint_url",
        help="URL of the S3 server, as in 'https://s3.example.org'; unset: Amazon's for the region. Without a user, a "
        "password or a query.",
    ),
    cfg.StrOpt(
        "region",
        help="The region that requests are signed for; unset: what boto3 finds in its environment, else 'us-east-1'. "
        "Servers other than Amazon's often take any, Swift and Ceph the one of their configuration.",
    ),
    cfg.StrOpt(
        "bucket",
        required=True,
        help="The bucket that holds the images. It belongs to this store alone, or else `prefix` does.",
    ),
    cfg.StrOpt(
        "prefix",
        default="",
        help="Folder inside the bucket, as in 'images' or 'cloud-1/images'; unset: the top, where glance_store's S3 "
        "driver has its images. What is in it belongs to this store: 'imgstore purge' aborts every old multipart "
        "upload there that has the name of an image.",
    ),
    cfg.BoolOpt(
        "create_bucket",
        default=False,
        help="Whether a missing bucket is created at start. Needs the permission s3:CreateBucket.",
    ),
    cfg.StrOpt(
        "addressing_style",
        default="auto",
        choices=ADDRESSING,
        help="Where in a request's URL the bucket is.",
    ),
)

_WHO = (
    cfg.StrOpt(
        "access_key",
        secret=True,
        help="Access key. Unset, with secret_key: boto3 looks in the environment (AWS_ACCESS_KEY_ID ...), the profile, "
        "the web identity, and the role of the instance, and renews what expires, in the middle of an upload too.",
    ),
    cfg.StrOpt("secret_key", secret=True, help="Secret key that belongs to access_key."),
    cfg.StrOpt(
        "session_token",
        secret=True,
        help="Session token of temporary keys. They expire, and nothing renews what is written here: prefer a profile "
        "or a role.",
    ),
    cfg.StrOpt(
        "profile",
        help="Profile of the shared configuration files (~/.aws/config, ~/.aws/credentials) to take keys from.",
    ),
)

_CONNECTION = (
    cfg.BoolOpt(
        "verify",
        default=True,
        help="Whether the server's certificate is verified. Turn it off for trials only: ca_bundle is the way to trust "
        "a private authority.",
    ),
    cfg.StrOpt("ca_bundle", help="File with the certificates of the authorities to trust instead of the usual ones."),
    cfg.StrOpt("client_cert", help="File with the certificate to show to the server."),
    cfg.StrOpt("client_key", help="File with the key of client_cert, where that does not hold it."),
    cfg.FloatOpt(
        "connect_timeout", default=CONNECT_TIMEOUT, min=0.1, help="Seconds to wait for a connection to be accepted."
    ),
    cfg.FloatOpt(
        "read_timeout",
        default=READ_TIMEOUT,
        min=0.1,
        help="Seconds to wait for the server's next sign. Putting a large object together may take Amazon minutes, but "
        "it sends blanks meanwhile.",
    ),
    cfg.IntOpt(
        "max_attempts",
        default=MAX_ATTEMPTS,
        min=1,
        max=20,
        help="How often a request is sent at most where the server answers 500, 502, 503, 504 or 'slow down', or where "
        "the connection breaks. Pauses between them grow, up to 20 seconds.",
    ),
    cfg.StrOpt(
        "retry_mode",
        default="standard",
        choices=RETRY_MODES,
        help="How requests are repeated, as in boto3.",
    ),
    cfg.IntOpt(
        "max_pool_connections",
        min=1,
        help="Connections that are kept for further requests; more are opened where needed, and closed afterwards. "
        "Unset: ten times `concurrency`. Good is `concurrency` for each of the uploads that run at once.",
    ),
)

_TRANSFER = (
    size_opt(
        "part_size",
        default=PART_SIZE,
        min=SMALLEST_PART,
        max=LARGEST_PART,
        help="Bytes of a part of a large image; more where an image would need more than max_parts. Amazon and most "
        "servers refuse parts below 5MiB. An upload holds multipart_threshold + (concurrency + 1) * part_size bytes.",
    ),
    size_opt(
        "multipart_threshold",
        max=LARGEST_PART,
        help="Images of up to so many bytes are stored by one request, larger ones in parts. Unset: part_size.",
    ),
    cfg.IntOpt(
        "concurrency", default=CONCURRENCY, min=1, max=64, help="Parts of one image that are sent at the same time."
    ),
    cfg.IntOpt(
        "max_parts",
        default=MAX_PARTS,
        min=2,
        max=MAX_PARTS,
        help="Parts that the server takes for one object: 10000 at Amazon, 1000 at Swift unless it is configured "
        "otherwise. An upload of unknown length gets parts that grow, so that so many of them hold 5 TiB.",
    ),
    cfg.BoolOpt(
        "equal_parts",
        default=False,
        help="Whether all parts but the last one have part_size bytes, as Cloudflare R2 wants it. An image of unknown "
        "length then has at most max_parts * part_size bytes.",
    ),
    cfg.IntOpt(
        "read_concurrency",
        default=READ_CONCURRENCY,
        min=1,
        max=64,
        help="Ranges of one image that are fetched at the same time for a download. 1: one body, streamed. More: a "
        "download holds (read_concurrency + 1) * read_block_size bytes.",
    ),
    size_opt(
        "read_block_size",
        default=BLOCK_SIZE,
        min=SMALLEST_PART,
        max=LARGEST_PART,
        help="Bytes of one such range.",
    ),
    cfg.StrOpt(
        "checksum",
        default="auto",
        choices=CHECKSUMS,
        help="The checksum that is sent along with the bytes. Whatever is sent, what the server answers - that "
        "checksum, or else an ETag that is the md5 - is compared with what was computed here, and what a server "
        "confirms nothing of is read back.",
    ),
)

_OBJECTS = (
    cfg.StrOpt("storage_class", help="Storage class of new objects, as in STANDARD_IA; unset: the bucket's."),
    cfg.StrOpt(
        "encryption",
        choices=ENCRYPTIONS,
        help="Server-side encryption that is asked for; unset: what the bucket does anyway.",
    ),
    cfg.StrOpt("kms_key_id", help="Key of the encryption 'aws:kms'; unset: the server's default key."),
    cfg.DictOpt(
        "tags",
        default={},
        help="Tags of new objects, as in 'owner:images,tier:gold'. Needs the permission s3:PutObjectTagging.",
    ),
    size_opt(
        "capacity",
        help="Most bytes of images in this store; no limit if unset. What the bucket holds is added up at the first "
        "use after start. Every process counts for itself: with several service processes give each its share, or use "
        "a quota of the server.",
    ),
)

OPTIONS: tuple[cfg.Opt, ...] = (*_WHERE, *_WHO, *_CONNECTION, *_TRANSFER, *_OBJECTS)
