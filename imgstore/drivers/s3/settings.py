"""The values of the S3 driver's options, checked: what cannot work stops the start with the option's name (law 11).

Credentials are kept in a value of their own whose `repr` does not show them (law 7). What this module refuses to do:
input or output. Whether the bucket works is for the driver's `check` to find out.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from imgstore import errors
from imgstore.driver.part_sizes import PartSizes
from imgstore.drivers.s3 import options

LARGEST_OBJECT = 5 * 1024**4
TYPICAL_PART = LARGEST_OBJECT // options.MAX_PARTS
"""Bytes that a part of an image of unknown length need not have more than, on average: with 10000 of them 5 TiB."""
CONNECTIONS_PER_PART = 10

_BUCKET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{1,254}", re.ASCII)
_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
_NEEDS_CRT = {"crc32c", "crc64nvme"}


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys from the configuration; without any, boto3's own chain finds some, `profile` being a part of it."""

    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None

    @property
    def fixed(self) -> bool:
        """Whether no other keys can be found, should these expire."""
        return self.access_key is not None


@dataclass(frozen=True, slots=True)
class Settings:
    """The values. Sizes are in bytes, times in seconds; `prefix` is empty or ends with a slash."""

    endpoint_url: str | None
    region: str | None
    bucket: str
    prefix: str
    create_bucket: bool
    addressing_style: str
    keys: Keys
    verify: bool
    ca_bundle: str | None
    client_cert: str | None
    client_key: str | None
    connect_timeout: float
    read_timeout: float
    max_attempts: int
    retry_mode: str
    max_pool_connections: int
    part_size: int
    multipart_threshold: int
    concurrency: int
    max_parts: int
    equal_parts: bool
    read_concurrency: int
    read_block_size: int
    checksum: str
    storage_class: str | None
    encryption: str | None
    kms_key_id: str | None
    tags: Mapping[str, str]
    capacity: int | None

    def sizes(self, size: int | None) -> PartSizes:
        """The parts of an object of `size` bytes (None: unknown). Raises StoreFull where it is too large."""
        reach = LARGEST_OBJECT if size is not None else self.max_parts * max(self.part_size, TYPICAL_PART)
        return PartSizes.for_size(
            size, part_size=self.part_size, most=self.max_parts, largest=min(reach, LARGEST_OBJECT),
            ceiling=options.LARGEST_PART, equal=self.equal_parts,
        )  # fmt: skip


def checked(**values: Any) -> Settings:
    """The settings for these option values. Raises ConfigurationError naming the option (section "")."""
    names = ("access_key", "secret_key", "session_token", "profile")
    keys = _keys(**{name: values.pop(name) or None for name in names})
    _refuse_numbers(values)
    _refuse_choices(values)
    values["endpoint_url"] = _endpoint(values["endpoint_url"] or None)
    values["bucket"] = _bucket(values["bucket"])
    values["prefix"] = _prefix(values["prefix"])
    values["multipart_threshold"] = _or_else(values["multipart_threshold"], values["part_size"])
    values["max_pool_connections"] = _or_else(
        values["max_pool_connections"], CONNECTIONS_PER_PART * values["concurrency"]
    )
    values["tags"] = _tags(values["tags"])
    _refuse_pairs(values)
    return Settings(keys=keys, **values)


def bad(option: str, problem: str, cure: str) -> errors.ConfigurationError:
    """The error for an option that cannot work; who knows the store's section fills it in."""
    return errors.ConfigurationError(problem, section="", option=option, cure=cure)


def _or_else(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _keys(**values: str | None) -> Keys:
    keys = Keys(**values)
    if keys.access_key is not None and keys.secret_key is None:
        raise bad("secret_key", "is not set, but access_key is.", "Set both, or neither to use boto3's own chain.")
    if keys.access_key is None and keys.secret_key is not None:
        raise bad("access_key", "is not set, but secret_key is.", "Set both, or neither to use boto3's own chain.")
    if keys.session_token is not None and keys.access_key is None:
        raise bad("session_token", "is set without keys.", "Set access_key and secret_key too, or unset it.")
    if keys.profile is not None and keys.access_key is not None:
        raise bad("profile", "is set, and keys are too.", "Unset access_key and secret_key, or the profile.")
    return keys


def _endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    # Without the value in the text: a password may be in it.
    if not good or re.fullmatch(r"[!-~]+", url) is None:
        raise bad("endpoint_url", "The value is not the URL of a server.", "Write it as in 'https://s3.example.org'.")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url:
        raise bad(
            "endpoint_url", "There is a user, a password, a query or a fragment in the URL.",
            "Leave it away; keys belong into access_key and secret_key.",
        )  # fmt: skip
    return url.rstrip("/")


def _bucket(value: str) -> str:
    if not isinstance(value, str) or _BUCKET.fullmatch(value) is None or ".." in value:
        raise bad("bucket", f"{value!r} cannot be a bucket's name.", "Use letters, digits, '.', '-' and '_'.")
    return value


def _prefix(value: str | None) -> str:
    folders = [folder for folder in (value or "").strip("/").split("/") if folder]
    if any(_FOLDER.fullmatch(folder) is None for folder in folders) or len("/".join(folders)) > 400:
        raise bad("prefix", f"{value!r} cannot be a folder.", "Use letters, digits, '.', '-', '_', and '/' in between.")
    return "".join(f"{folder}/" for folder in folders)


def _tags(value: Mapping[str, str] | None) -> Mapping[str, str]:
    tags = dict(value or {})
    if len(tags) > 10 or any(not name or len(name) > 128 or len(text) > 256 for name, text in tags.items()):
        raise bad(
            "tags", "Not possible.", "An object has at most 10 tags, names of 1 to 128 and values of 256 letters."
        )
    return tags


def _refuse_numbers(values: Mapping[str, Any]) -> None:
    """For hosts that build the driver by hand: oslo.config keeps the bounds of what comes from a file."""
    for option in options.OPTIONS:
        least, most = getattr(option.type, "min", None), getattr(option.type, "max", None)
        value = values.get(option.dest)
        if value is None or (least is None and most is None):
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or (least is not None and value < least) or (most is not None and value > most):
            upper = "" if most is None else f" and at most {most}"
            raise bad(option.dest, f"{value!r} is not possible.", f"Use at least {least}{upper}.")


def _refuse_choices(values: Mapping[str, Any]) -> None:
    for option in options.OPTIONS:
        choices, value = getattr(option.type, "choices", None), values.get(option.dest)
        if choices and value is not None and value not in choices:
            raise bad(option.dest, f"{value!r} is not one of the choices.", f"Use one of {', '.join(choices)}.")


def _refuse_pairs(values: Mapping[str, Any]) -> None:
    if values["kms_key_id"] is not None and not (values["encryption"] or "").startswith("aws:kms"):
        raise bad(
            "kms_key_id", "is set, but the encryption is not 'aws:kms'.", "Set encryption = aws:kms, or unset it."
        )
    if values["client_key"] is not None and values["client_cert"] is None:
        raise bad("client_key", "is set without client_cert.", "Set client_cert, or unset it.")
    if values["ca_bundle"] is not None and not values["verify"]:
        raise bad("ca_bundle", "is set, but verify is off.", "Set verify = true, or unset ca_bundle.")
    if values["checksum"] in _NEEDS_CRT and importlib.util.find_spec("awscrt") is None:
        raise bad(
            "checksum", f"'{values['checksum']}' needs the module 'awscrt', which is missing.",
            "Install it: pip install 'botocore[crt]', or use auto.",
        )  # fmt: skip
