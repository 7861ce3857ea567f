"""The values of the Swift driver's options, checked: what cannot work stops the start with the option's name (law 11).

What this module refuses to do: input or output. Whether the account works is for the driver's `check` to find out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from imgstore.driver.options import bad, refuse_impossible
from imgstore.drivers.swift.credentials import V3, Credentials, read_account
from imgstore.drivers.swift.options import OPTIONS

SEGMENTS = "_segments"
LONGEST_CONTAINER = 256
LONGEST_KEY = 200
DASHES = 4
PROJECT = "%(project_id)s"

_CREDENTIALS = tuple(each.name for each in dataclasses.fields(Credentials) if each.name != "version")
_URL_SAFE = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values. Sizes are in bytes, times in seconds. `own` are the credentials of the store's own options, None
    where they are in `account_file` or where every caller brings a token."""

    own: Credentials | None
    auth_version: str
    account_file: str | None
    reference: str
    region: str | None
    endpoint_type: str
    service_type: str
    endpoint: str | None
    insecure: bool
    cacert: str | None
    connect_timeout: float
    read_timeout: float
    max_attempts: int
    container: str
    segments_container: str | None
    multiple_containers_seed: int
    create_container: bool
    storage_policy: str | None
    multi_tenant: bool
    admin_tenants: Sequence[str]
    large_object_threshold: int
    segment_size: int
    concurrency: int
    largest_unknown_size: int
    read_concurrency: int
    read_block_size: int
    check_quota: bool
    quota_age: float
    temp_url_key: str | None = field(repr=False)

    def credentials(self) -> Credentials | None:
        """The store's account; reads the file of accounts, if there is one. Raises ConfigurationError."""
        if self.account_file is None:
            return self.own
        return read_account(self.account_file, self.reference, version=self.auth_version)

    @property
    def verify(self) -> bool | str:
        """As requests has it: whether certificates are verified, or against which file."""
        return False if self.insecure else self.cacert or True


def checked(values: dict[str, Any]) -> Settings:
    """The settings for these option values. Raises ConfigurationError naming the option (section "")."""
    values = {name: None if value == "" else value for name, value in values.items()}
    refuse_impossible(OPTIONS, values)
    given = {name: values.pop(name) for name in _CREDENTIALS}
    _refuse_urls(given["auth_url"], values["endpoint"])
    _refuse_containers(values)
    _refuse_combinations(values, given)
    values["endpoint_type"] = values["endpoint_type"].removesuffix("URL")
    values["endpoint"] = values["endpoint"] and values["endpoint"].rstrip("/")
    if values["large_object_threshold"] is None:
        values["large_object_threshold"] = values["segment_size"]
    return Settings(own=_own(values, given), **values)


def _own(values: Mapping[str, Any], given: Mapping[str, Any]) -> Credentials | None:
    if values["account_file"] is not None or (values["multi_tenant"] and given["auth_url"] is None):
        return None
    if given["auth_url"] is None:
        raise bad("auth_url", "is not set.", "Set where tokens are given, or name an account_file.")
    return Credentials(version=values["auth_version"], **{**given, "auth_url": given["auth_url"].rstrip("/")})


def _refuse_urls(auth_url: str | None, endpoint: str | None) -> None:
    for option, url in (("auth_url", auth_url), ("endpoint", endpoint and endpoint.replace(PROJECT, "x"))):
        if url is not None and not _is_plain(url):
            # Without the value in the text: a password may be in it.
            raise bad(option, "The value is not a plain URL of a server.", "Write it as in 'https://host:port/path'.")


def _is_plain(url: str) -> bool:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return bool(good) and re.fullmatch(r"[!-~]+", url) is not None and not set("@?#") & set(url)


def _refuse_containers(values: Mapping[str, Any]) -> None:
    for option in ("container", "segments_container"):
        name = values[option]
        if name is None and option == "segments_container":
            continue
        if not isinstance(name, str) or _URL_SAFE.fullmatch(name) is None or name in {".", ".."}:
            raise bad(option, f"{name!r} cannot be a container's name.", "Use letters, digits, '.', '_', '~' and '-'.")
        if len(name) + _longest_addition(values) > LONGEST_CONTAINER:
            raise bad(
                option, "is too long.", f"A container's name, with what is added, has {LONGEST_CONTAINER} letters."
            )
    if values["segments_container"] == values["container"]:
        raise bad("segments_container", "is the container of the images.", "Name another one, or unset it.")


def _longest_addition(values: Mapping[str, Any]) -> int:
    """Letters that a container's name may get besides: a key or a part of it, dashes that do not count, a suffix."""
    letters = LONGEST_KEY if values["multi_tenant"] else values["multiple_containers_seed"] + DASHES
    return 1 + letters + len(SEGMENTS)


def _refuse_combinations(values: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if values["account_file"] is not None and any(given.values()):
        option = next(name for name, value in given.items() if value)
        raise bad(option, "is set, and account_file is too.", "Unset one of them.")
    if values["multi_tenant"]:
        for option in ("account_file", "multiple_containers_seed", "segments_container"):
            if values[option]:
                raise bad(option, "is set, and multi_tenant is too.", "Unset one of them.")
    elif values["endpoint"] and PROJECT in values["endpoint"]:
        raise bad("endpoint", f"{PROJECT} is in it without multi_tenant.", "Write the URL of the account.")
    if values["insecure"] and values["cacert"] is not None:
        raise bad("cacert", "is set, and insecure is too.", "Unset one of them.")
    if values["auth_version"] != V3 and (given["application_credential_id"] or given["application_credential_name"]):
        raise bad("auth_version", "is not 3, which application credentials need.", "Set auth_version = 3.")
