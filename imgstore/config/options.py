"""The options of the configuration, as an operator reads them: the section [imgstore] and what every store has.

What this module refuses to do: know a driver, read a value.
"""

from __future__ import annotations

from typing import Any

from oslo_config import cfg, types

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


OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.ListOpt(
        "enabled_stores",
        default=[],
        help="The stores of this service, each as 'identifier:driver', separated by commas: "
        "'fast:filesystem, archive:filesystem'. The identifier (letters, digits, '-', '_' and '.') is what clients put "
        "into X-Image-Meta-Store and what the images' locations remember: do not rename a store that has images. The "
        "store's options are in the section named as the identifier. Required.",
    ),
    cfg.StrOpt(
        "default_store",
        help="Identifier of the store for images that name none. May be left out where only one store is enabled.",
    ),
    size_opt(
        "max_image_size",
        default=TIB,
        help="The largest image that is taken. An upload that declares more is refused before a byte is read, one of "
        "unknown length at the byte that exceeds.",
    ),
    size_opt(
        "project_quota",
        help="Bytes that the images of one project may take in all stores together, uploads under way included; no "
        "limit if unset. Each copy of an image counts. Applies where the host has no quotas of its own.",
    ),
    cfg.Opt(
        "project_quota_exceptions",
        type=types.Dict(Size()),
        default={},
        help="Projects with another project_quota, each as 'project:size', separated by commas: "
        "'5d2c6f6e37b3:10TiB, 0c9f1b11a4de:0'.",
    ),
    cfg.IntOpt(
        "project_images",
        min=0,
        help="How many images one project may have, those without data included; no limit if unset.",
    ),
    cfg.Opt(
        "project_images_exceptions",
        type=types.Dict(types.Integer(min=0)),
        default={},
        help="Projects with another project_images, each as 'project:number', separated by commas.",
    ),
    cfg.IntOpt(
        "project_uploads",
        min=0,
        help="How many uploads of one project may be under way at a time; no limit if unset.",
    ),
    cfg.Opt(
        "project_uploads_exceptions",
        type=types.Dict(types.Integer(min=0)),
        default={},
        help="Projects with another project_uploads, each as 'project:number', separated by commas.",
    ),
    cfg.StrOpt(
        "several_stores",
        default=begin.OFF,
        choices=[
            (begin.OFF, "an upload goes to one store"),
            (begin.ALL, "it may name several, and succeeds if all of them take it"),
            (begin.ANY, "it may name several, and succeeds if at least one takes it; the others are left out"),
        ],
        help="Whether one upload may go to several stores, named with commas in X-Image-Meta-Store: 'fast,archive'. "
        "The image is read once and written to each; the quota counts each copy. A slow store slows the upload.",
    ),
    cfg.Opt(
        "hash_algorithm",
        type=HashName(),
        default="sha512",
        help="Algorithm of os_hash_value, computed while the image is taken: sha512, sha256, sha384, blake2b, sha3_256 "
        "and so on. Images keep what they were stored with.",
    ),
    cfg.BoolOpt(
        "checksum",
        default=True,
        help="Whether the md5 checksum is computed too, for clients that know no other. Without it uploads cost less "
        "processor time, and images have no 'checksum'.",
    ),
    cfg.BoolOpt(
        "inspection",
        default=True,
        help="Whether content is refused that is not what the image's disk_format says, or that is not safe to use "
        "(such as a qcow2 with a backing file). Needs oslo.utils: pip install 'imgstore[inspection]'.",
    ),
)

STORE_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt("description", default="", help="What people are told about this store when they list the stores."),
    cfg.IntOpt(
        "weight",
        default=0,
        help="Where an image is in several stores, it is read from the one with the highest weight first.",
    ),
    cfg.BoolOpt(
        "read_only",
        default=False,
        help="Whether adding images to this store is disabled. Reading and deleting work as ever.",
    ),
    size_opt(
        "project_quota",
        help="Bytes that the images of one project may take in this store, uploads under way included; no limit if "
        "unset. Applies where the host has no quotas of its own.",
    ),
)
