"""What a Swift of the tests is to be like, and the files of configuration that make it so.

Swift's defaults hold where nothing else is said. What is said for all of them, and why:

- a cache that remembers nothing: quotas and access rules are never stale, and an unknown token is 401, not 500;
- tokens by Fernet, since without a cache there is no other place for them;
- an error of the only device suppresses nothing, or every later request would be 503;
- small segments are not slowed down;
- no request is logged: nobody reads it, and it takes a twentieth of the time.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ACCOUNT = "t{number}"
PEOPLE = ("tester", "stranger")
"""The users of each account: who may do everything in it, and who may do nothing."""

_TEMPAUTH = "s3api tempauth"
_KEYSTONE = "authtoken s3api s3token keystoneauth"
_PIPELINE = (
    "catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl {auth} copy "
    "container-quotas account-quotas slo dlo versioned_writes symlink proxy-server"
)
_PLAIN_FILTERS = {
    "catch_errors": "catch_errors", "gatekeeper": "gatekeeper", "healthcheck": "healthcheck", "bulk": "bulk",
    "listing_formats": "listing_formats", "copy": "copy", "symlink": "symlink",
    "container-quotas": "container_quotas", "account-quotas": "account_quotas",
}  # fmt: skip
_CACHE = {"paste.filter_factory": "cache:filter_factory"}


@dataclass(frozen=True)
class KeystoneAccess:
    """The Keystone that Swift asks, and Swift's own user there (in project `service`, with the role admin).
    `remembered`: seconds for which Swift does not ask again about a token; else a revoked one is refused at once."""

    url: str
    username: str
    password: str = field(repr=False)
    remembered: int = -1

    def options(self) -> dict[str, object]:
        """What keystoneauth's password plugin is told."""
        return {
            "auth_url": self.url, "auth_type": "password", "username": self.username, "password": self.password,
            "project_name": "service", "project_domain_id": "default", "user_domain_id": "default",
        }  # fmt: skip


@dataclass(frozen=True)
class SwiftSettings:
    """Sizes in bytes. Equal settings may share one server, so it is a value.

    `token_life`: seconds that a token is good for. `max_file_size`: the largest object or segment.
    `max_manifest_segments`: of one static large object. `s3_min_part`, `s3_max_parts`: the smallest part but the last,
    and how many parts, of a multipart upload. `listing_limit`: names on a page of a listing. `policies`: storage
    policies, the first is the default. `tls`: https with a certificate that the test makes. `async_delete`: whether the
    S3 API leaves the parts of what it deletes to a sweep that comes within two seconds. `accounts`: how many fresh
    accounts it can hand out. `keystone`: not tempauth. `remembers`: whether the proxy's cache does, as with memcached.
    """

    token_life: int = 86400
    max_file_size: int | None = None
    max_manifest_segments: int = 1000
    s3_min_part: int = 5 * 1024 * 1024
    s3_max_parts: int = 1000
    region: str = "us-east-1"
    listing_limit: int = 10_000
    policies: tuple[str, ...] = ("gold",)
    tempurl_digests: tuple[str, ...] = ("sha256", "sha512")
    tls: bool = False
    async_delete: bool = True
    accounts: int = 2000
    keystone: KeystoneAccess | None = None
    remembers: bool = False


@dataclass(frozen=True)
class Secrets:
    """Made anew for each server."""

    admin: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    user: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    suffix: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    fernet: str = field(default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(), repr=False)

    def key(self, account: str, user: str) -> str:
        """The password of a user: another for each."""
        return f"{self.user}{account}{user}"


def write_configuration(root: Path, settings: SwiftSettings, known: Secrets) -> None:
    """Writes what `launch.py` reads: `swift.conf` and a file for each server, into `root`."""
    constraints = {"container_listing_limit": settings.listing_limit, "account_listing_limit": settings.listing_limit}
    if settings.max_file_size is not None:
        constraints["max_file_size"] = settings.max_file_size
    _write(root / "swift.conf", {
        "swift-hash": {"swift_hash_path_suffix": known.suffix},
        **{
            f"storage-policy:{number}": {"name": name, "default": "no" if number else "yes"}
            for number, name in enumerate(settings.policies)
        },
        "swift-constraints": constraints,
    })  # fmt: skip
    for kind in ("account", "container", "object"):
        app = {"use": f"egg:swift#{kind}", **_STORAGE}
        _write(root / f"{kind}.conf", {"DEFAULT": _common(root), "pipeline:main": {"pipeline": "app"}, "app:app": app})
    pipeline = _PIPELINE.format(auth=_TEMPAUTH if settings.keystone is None else _KEYSTONE)
    filters = {**_filters(settings), **_auth(settings, known)}
    _write(root / "proxy.conf", {
        "DEFAULT": _common(root),
        "pipeline:main": {"pipeline": pipeline},
        "app:proxy-server": _PROXY,
        **{f"filter:{name}": options for name, options in filters.items()},
    })  # fmt: skip
    _write(root / "expirer.conf", {
        "DEFAULT": _common(root),
        "object-expirer": {"tasks_per_second": 500},
        "pipeline:main": {"pipeline": "catch_errors cache proxy-server"},
        "filter:catch_errors": {"use": "egg:swift#catch_errors"},
        "filter:cache": _CACHE,
        "app:proxy-server": _PROXY,
    })  # fmt: skip


# A write tells the container before it answers, however busy the machine: else listings would lag.
_STORAGE: Mapping[str, object] = {"replication_server": "", "container_update_timeout": 60, "node_timeout": 60}
_PROXY: Mapping[str, object] = {
    "use": "egg:swift#proxy", "account_autocreate": "true", "allow_account_management": "true", "node_timeout": 60,
    "conn_timeout": 10, "error_suppression_interval": -1,
}  # fmt: skip


def _common(root: Path) -> dict[str, object]:
    return {
        "swift_dir": root, "devices": root / "node", "recon_cache_path": root / "cache", "mount_check": "false",
        "disable_fallocate": "true", "db_preallocation": "off", "log_statsd_host": "", "expose_info": "true",
    }  # fmt: skip


def _filters(settings: SwiftSettings) -> dict[str, Mapping[str, object]]:
    return {
        **{name: {"use": f"egg:swift#{entry}"} for name, entry in _PLAIN_FILTERS.items()},
        "cache": {**_CACHE, "remembers": "yes" if settings.remembers else "no"},
        "tempurl": {"use": "egg:swift#tempurl", "allowed_digests": " ".join(settings.tempurl_digests)},
        "slo": {
            "use": "egg:swift#slo", "max_manifest_segments": settings.max_manifest_segments, "concurrency": 4,
            "rate_limit_segments_per_sec": 0, "allow_async_delete": settings.async_delete,
        },
        "dlo": {"use": "egg:swift#dlo", "rate_limit_segments_per_sec": 0},
        "versioned_writes": {"use": "egg:swift#versioned_writes", "allow_object_versioning": "true"},
        "s3api": {
            "use": "egg:swift#s3api", "location": settings.region, "min_segment_size": settings.s3_min_part,
            "max_upload_part_num": settings.s3_max_parts,
            "max_bucket_listing": min(1000, settings.listing_limit - 1),
            "max_parts_listing": min(1000, settings.listing_limit - 1),
        },
    }  # fmt: skip


def _auth(settings: SwiftSettings, known: Secrets) -> dict[str, Mapping[str, object]]:
    if settings.keystone is None:
        return {"tempauth": _tempauth(settings, known)}
    options = settings.keystone.options()
    return {
        "authtoken": {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory", "delay_auth_decision": "true",
            "www_authenticate_uri": settings.keystone.url, "include_service_catalog": "false",
            "token_cache_time": settings.keystone.remembered, "interface": "public", **options,
        },
        "s3token": {"use": "egg:swift#s3token", "auth_uri": settings.keystone.url, **options},
        "keystoneauth": {"use": "egg:swift#keystoneauth", "operator_roles": "admin, member"},
    }  # fmt: skip


def _tempauth(settings: SwiftSettings, known: Secrets) -> Mapping[str, object]:
    options: dict[str, object] = {
        "use": "egg:swift#tempauth", "token_life": settings.token_life, "fernet_key_a": known.fernet,
        "active_fernet_key_id": "a", "user_admin_admin": f"{known.admin} .admin .reseller_admin",
    }  # fmt: skip
    for account in (ACCOUNT.format(number=number) for number in range(settings.accounts)):
        for user, group in zip(PEOPLE, (" .admin", ""), strict=True):
            options[f"user_{account}_{user}"] = f"{known.key(account, user)}{group}"
    return options


def _write(file: Path, sections: Mapping[str, Mapping[str, object]]) -> None:
    lines = []
    for section, options in sections.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in options.items()), ""]
    file.touch(mode=0o600)
    file.write_text("\n".join(lines))
