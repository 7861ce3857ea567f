"""What the S3 driver's options may be, and which of them go together. oslo.config keeps bounds and choices.

No text quotes a value that may hold a credential (no secrets).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from imgstore.driver.options import bad

_BUCKET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{1,254}", re.ASCII)
_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
_NEEDS_CRT = {"crc32c", "crc64nvme"}


def refuse_unworkable(values: Mapping[str, Any]) -> None:
    """Raises ConfigurationError naming the option (section "")."""
    _refuse_keys(values)
    _refuse_endpoint(values["endpoint_url"])
    _refuse_bucket(values["bucket"])
    _refuse_prefix(values["prefix"] or "")
    _refuse_tags(values["tags"] or {})
    _refuse_encryption(values)
    _refuse_tls(values)
    _refuse_checksum(values["checksum"])


def _refuse_keys(values: Mapping[str, Any]) -> None:
    access_key, secret_key = values["access_key"], values["secret_key"]
    if access_key is not None and secret_key is None:
        raise bad("secret_key", "is not set, but access_key is.", "Set both, or neither to use boto3's own chain.")
    if access_key is None and secret_key is not None:
        raise bad("access_key", "is not set, but secret_key is.", "Set both, or neither to use boto3's own chain.")
    if values["session_token"] is not None and access_key is None:
        raise bad("session_token", "is set without keys.", "Set access_key and secret_key too, or unset it.")
    if values["profile"] is not None and access_key is not None:
        raise bad("profile", "is set, and keys are too.", "Unset access_key and secret_key, or the profile.")


def _refuse_endpoint(url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or re.fullmatch(r"[!-~]+", url) is None:
        raise bad("endpoint_url", "The value is not the URL of a server.", "Write it as in 'https://s3.example.org'.")
    if "@" in parts.netloc or "?" in url or "#" in url:
        problem = "There is a user, a password, a query or a fragment in the URL."
        raise bad("endpoint_url", problem, "Remove it; keys belong into access_key and secret_key.")


def _refuse_bucket(value: object) -> None:
    if value is None:
        raise bad("bucket", "is not set.", "Name the bucket that holds the images.")
    if not isinstance(value, str) or _BUCKET.fullmatch(value) is None or ".." in value:
        raise bad("bucket", f"{value!r} cannot be a bucket's name.", "Use letters, digits, '.', '-' and '_'.")


def _refuse_prefix(value: str) -> None:
    folders = [folder for folder in value.split("/") if folder]
    if any(_FOLDER.fullmatch(folder) is None for folder in folders) or len("/".join(folders)) > 400:
        raise bad("prefix", f"{value!r} cannot be a folder.", "Use letters, digits, '.', '-', '_', and '/' in between.")


def _refuse_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > 10 or any(not name or len(name) > 128 or len(text) > 256 for name, text in tags.items()):
        cure = "An object has at most 10 tags, names of 1 to 128 and values of up to 256 characters."
        raise bad("tags", "S3 does not take these tags.", cure)


def _refuse_encryption(values: Mapping[str, Any]) -> None:
    if values["kms_key_id"] is not None and not (values["encryption"] or "").startswith("aws:kms"):
        cure = "Set encryption = aws:kms, or unset it."
        raise bad("kms_key_id", "is set, but the encryption is not 'aws:kms'.", cure)


def _refuse_tls(values: Mapping[str, Any]) -> None:
    if values["client_key"] is not None and values["client_cert"] is None:
        raise bad("client_key", "is set without client_cert.", "Set client_cert, or unset it.")
    if values["ca_bundle"] is not None and not values["verify"]:
        raise bad("ca_bundle", "is set, but verify is off.", "Set verify = true, or unset ca_bundle.")


def _refuse_checksum(name: str) -> None:
    if name in _NEEDS_CRT and importlib.util.find_spec("awscrt") is None:
        cure = "Install it: pip install 'botocore[crt]', or use auto."
        raise bad("checksum", f"'{name}' needs the module 'awscrt', which is missing.", cure)
