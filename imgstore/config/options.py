"""The options of the configuration, as an operator reads them: the section [imgstore] and what every store has."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg, types

from imgstore.bulkhead import MAX_WAIT
from imgstore.driver.options import Size, size_opt
from imgstore.transfers import begin, digests

SECTION = "imgstore"
TIB = 1024**4


class HashName(types.String):
    """The type of an option that names a digest."""

    def __init__(self) -> None:
        super().__init__(type_name="name of a hash algorithm")

    def __call__(self, value: Any) -> str:
        """The name, in lower case. Raises ValueError."""
        name = super().__call__(value).lower()
        if not digests.supported(name):
            raise ValueError("use sha512, sha256 or another algorithm of hashlib with a digest of fixed length")
        return name


def _exceptions(option: str, kind: types.ConfigType, form: str) -> cfg.Opt:
    return cfg.Opt(
        f"{option}_exceptions",
        type=types.Dict(kind),
        default={},
        help=f"Projects with another {option}, each as {form}",
    )


OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.ListOpt(
        "enabled_stores",
        default=[],
        help="The stores of this service, each as 'identifier:driver', separated by commas: "
        "'fast:filesystem, archive:filesystem'. Clients put the identifier (letters, digits, '-', '_' and '.') into "
        "X-Image-Meta-Store, and the locations of images contain it: do not rename a store that has images. The "
        "section with the identifier as its name has the store's options. Required.",
    ),
    cfg.StrOpt(
        "default_store",
        help="Identifier of the store for images that name none. Optional if only one store is enabled.",
    ),
    size_opt(
        "max_image_size",
        default=TIB,
        help="Size of the largest image that is accepted. An upload that declares more is refused before its first "
        "byte is read; an upload of unknown length, at the first byte too many.",
    ),
    size_opt(
        "project_quota",
        help="Bytes that the images and uploads of one project may take in all stores together; no limit if unset. "
        "Each copy of an image counts. Ignored if the host has quotas of its own.",
    ),
    _exceptions(
        "project_quota",
        Size(),
        "'project:size', separated by commas: '5d2c6f6e37b3:10TiB, 0c9f1b11a4de:0'.",
    ),
    cfg.IntOpt(
        "project_images",
        min=0,
        help="Number of images that one project may have, with or without data; no limit if unset.",
    ),
    _exceptions("project_images", types.Integer(min=0), "'project:number', separated by commas."),
    cfg.IntOpt(
        "project_uploads",
        min=0,
        help="Number of uploads that one project may have under way at a time; no limit if unset.",
    ),
    _exceptions("project_uploads", types.Integer(min=0), "'project:number', separated by commas."),
    cfg.StrOpt(
        "several_stores",
        default=begin.OFF,
        choices=[
            (begin.OFF, "an upload goes to one store"),
            (begin.ALL, "it may name several stores, and succeeds if all of them take the image"),
            (begin.ANY, "it may name several stores, and succeeds if one of them takes the image"),
        ],
        help="Whether one upload may go to several stores. X-Image-Meta-Store then has a list: 'fast,archive'. The "
        "image is read once and written to each store; the quota counts each copy. The slowest store sets the pace.",
    ),
    cfg.Opt(
        "hash_algorithm",
        type=HashName(),
        default="sha512",
        help="Algorithm of os_hash_value: sha512, sha256, sha384, blake2b, sha3_256 and so on. The digest is computed "
        "during the upload. Existing images keep theirs.",
    ),
    cfg.BoolOpt(
        "checksum",
        default=True,
        help="Whether the md5 checksum is computed too, for clients that know no other. If false, uploads cost less "
        "processor time, and images have no 'checksum'.",
    ),
    cfg.BoolOpt(
        "inspection",
        default=True,
        help="Whether images are inspected: content that does not match disk_format is refused, and unsafe content "
        "such as a qcow2 with a backing file. Needs oslo.utils, which the extra 'inspection' installs.",
    ),
    cfg.BoolOpt(
        "require_image_format_match",
        default=True,
        help="Whether inspection refuses content of another format than disk_format, as the option of this name of "
        "Glance. If false, only content that is not safe as the format that it is, and no content at all, is refused.",
    ),
)

STORE_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt("description", default="", help="Description of this store in the list of stores."),
    cfg.IntOpt(
        "weight",
        default=0,
        help="An image in several stores is read from the store with the highest weight first.",
    ),
    cfg.BoolOpt(
        "read_only",
        default=False,
        help="Whether adding images to this store is disabled. Reading and deleting still work.",
    ),
    cfg.IntOpt(
        "max_transfers",
        min=1,
        max=65535,
        help="Uploads, downloads, copies and deletions of this store that may be under way at a time, in each process; "
        "more wait, and then get 503. Unset: half of the host's threads where there are other stores, else all.",
    ),
    cfg.FloatOpt(
        "max_wait",
        default=MAX_WAIT,
        min=0,
        max=86400,
        help="Seconds that a transfer waits while max_transfers are under way; 0: not at all. Half as many may wait.",
    ),
    size_opt(
        "project_quota",
        help="Bytes that the images and uploads of one project may take in this store; no limit if unset. Ignored if "
        "the host has quotas of its own.",
    ),
)
