"""The connection to one S3 server: one boto3 client for the whole store, made at the first use, shared by all threads.

boto3 repeats what a server answers with 5xx or not at all, as the options say. What it does not do is done here: keys
that expired are looked for anew, once, in the places that boto3 knows (a file that somebody wrote, a role), and the
request is sent again, which is safe since a refused one had no effect; so an upload of hours outlives its keys.

Payloads are not hashed for the signature and boto3's own checksums are off: `integrity` sees to it that the server
confirms what it received. Law 7: botocore's debug log shows signatures and session tokens, so it stays off unless
somebody turned it on by name. What this module refuses to do: know an object.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imgstore.drivers.s3 import errors
from imgstore.drivers.s3.settings import Settings, bad

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

T = TypeVar("T")
LOG = logging.getLogger(__name__)


class Connection:
    """Calls of one server. `bucket` is where everything is."""

    def __init__(self, settings: Settings) -> None:
        self.bucket = settings.bucket
        self._settings = settings
        self._client: S3Client | None = None
        self._lock = threading.Lock()

    def call(self, operation: Callable[[S3Client], T]) -> T:
        """What `operation` returns. Raises what botocore raises; ConfigurationError for a profile that is not there."""
        client = self._opened()
        try:
            return operation(client)
        except ClientError as error:
            if errors.code_of(error) not in errors.EXPIRED or self._settings.keys.fixed:
                raise
        LOG.info("The keys for bucket %s have expired: looking for new ones", self.bucket)
        return operation(self._renewed(client))

    def close(self) -> None:
        """Closes what is open."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> S3Client:
        with self._lock:
            if self._client is None:
                self._client = _new_client(self._settings)
            return self._client

    def _renewed(self, expired: S3Client) -> S3Client:
        """A client with new keys, unless another thread has made one already. The old one may be in use: it closes its
        connections when the last request on it has ended."""
        with self._lock:
            if self._client is None or self._client is expired:
                self._client = _new_client(self._settings)
            return self._client


def verification(settings: Settings) -> bool | str:
    """What boto3 calls `verify`: a file of authorities, or whether to verify."""
    return settings.ca_bundle or settings.verify


def _new_client(settings: Settings) -> S3Client:
    _silence()
    keys = settings.keys
    try:
        found = botocore.session.Session()
        found.register_component("data_loader", _models())
        session = boto3.session.Session(
            botocore_session=found,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            aws_session_token=keys.session_token,
            profile_name=keys.profile,
            region_name=settings.region,
        )
        return session.client(
            "s3", endpoint_url=settings.endpoint_url, verify=verification(settings), config=_config(settings)
        )
    except (BotoCoreError, ValueError) as error:
        # The class alone: the text may hold what a file of credentials has in it.
        option = "profile" if keys.profile is not None else "region"
        raise bad(
            option, f"boto3 cannot make a client ({type(error).__name__}).",
            "Check this option, and boto3's own files and environment (~/.aws/config, AWS_PROFILE, AWS_REGION).",
        ) from None  # fmt: skip


def _config(settings: Settings) -> Config:
    certificate: Any = settings.client_cert
    if settings.client_key is not None:
        certificate = (settings.client_cert, settings.client_key)
    values: dict[str, Any] = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": settings.addressing_style, "payload_signing_enabled": False},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "retries": {"mode": settings.retry_mode, "total_max_attempts": settings.max_attempts},
        "connect_timeout": settings.connect_timeout,
        "read_timeout": settings.read_timeout,
        "max_pool_connections": settings.max_pool_connections,
        "client_cert": certificate,
        "tcp_keepalive": True,
        "user_agent_extra": "imgstore",
    }
    return Config(**values)


@functools.lru_cache(maxsize=1)
def _models() -> botocore.loaders.Loader:
    """boto3's descriptions of S3, parsed once for all stores and drivers: 0.1 CPU seconds and 13 MiB each otherwise."""
    loader: botocore.loaders.Loader = botocore.session.Session().get_component("data_loader")
    return loader


def _silence() -> None:
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def unreadable_file(settings: Settings) -> str | None:
    """The option whose file cannot be read; None if all can."""
    for option in ("ca_bundle", "client_cert", "client_key"):
        path = getattr(settings, option)
        if path is not None and not os.access(path, os.R_OK):
            return option
    return None
