"""The connection to one S3 server: one boto3 client for the whole store, made at the first use, shared by all threads.

boto3 sends each request once: what tries again is `tries`, which alone knows deadlines. Its connections keep the bounds
of the thread that uses them (`imgstore.driver.bounded_http`). This module adds what boto3 does not do: it has new keys
looked for (`keys`), once, when the server says that the keys have expired, and sends the request again, which is safe
since the refused one had no effect. So an upload of hours outlives its keys.

boto3 neither hashes payloads for the signature nor adds its own checksums: `integrity` compares what the server
received. botocore's debug log shows signatures and session tokens, so it stays off unless somebody turned it on by name
(no secrets).
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.loaders
import botocore.session
from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imgstore.driver.bounded_http import bounded_pools, close_pools
from imgstore.driver.forks import OfOneProcess, ProcessLock
from imgstore.driver.loggers import quiet
from imgstore.driver.options import bad
from imgstore.drivers.s3 import errors
from imgstore.drivers.s3.bodies import sent
from imgstore.drivers.s3.keys import Keys, signed_by
from imgstore.drivers.s3.options import S3Options

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

LOG = logging.getLogger(__name__)


_NO_PROFILE: Any = {"profile": (None, None, None, None)}
"""Keys that the options name need no profile; botocore would stop at an AWS_PROFILE that does not exist."""


class SharedClient(OfOneProcess):
    """Sends the requests of one store. A child of a fork has a client, and so connections, of its own."""

    def __init__(self, options: S3Options) -> None:
        super().__init__()
        self._options = options
        self._keys = None if options.fixed_keys else Keys(partial(_new_session, options), patience=options.read_timeout)
        self._client: S3Client | None = None
        self._lock = ProcessLock()
        self._users = 0
        self._is_closed = False

    def open(self) -> None:
        """Makes the client if there is none: that takes time, but no server's. Raises ConfigurationError."""
        self._opened()

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Any:
        """What boto3's method `operation` returns. A `Body` is bytes. Raises what botocore raises; ConfigurationError
        for a profile that does not exist, StoreUnavailable where no keys come in time."""
        with self._used() as client:
            signed_with = self._keys and self._keys.get_frozen_credentials()
            try:
                return _call(client, operation, parameters)
            except ClientError as error:
                if self._keys is None or not errors.expired(error):
                    raise
                retries = errors.add_retries(error.response, 0)
            LOG.info("The keys for bucket %s have expired: looking for new ones", self._options.bucket)
            self._keys.forget(signed_with)
            try:
                answer = _call(client, operation, parameters)
            except ClientError as error:
                errors.add_retries(error.response, retries)
                raise
            errors.add_retries(answer, retries)
            return answer

    def close(self) -> None:
        """Closes all connections. Those that an undo opens afterwards are closed at its end."""
        with self._lock:
            self._is_closed, client = True, self._client
        if client is not None:
            _close(client)

    def _forked(self) -> None:
        self._client, self._users = None, 0

    def _opened(self) -> S3Client:
        with self._lock:
            if self._client is None:
                self._client = _new_client(self._options, self._keys)
            return self._client

    @contextlib.contextmanager
    def _used(self) -> Iterator[S3Client]:
        client = self._opened()
        with self._lock:
            self._users += 1
        try:
            yield client
        finally:
            with self._lock:
                self._users -= 1
                is_last = self._is_closed and self._users <= 0
            if is_last:
                _close(client)


def _call(client: S3Client, operation: str, parameters: Mapping[str, Any]) -> Any:
    """One call, with a body of its own: botocore leaves a body where it stopped to read."""
    body = {"Body": sent(parameters["Body"])} if "Body" in parameters else {}
    return getattr(client, operation)(**{**parameters, **body})


def _new_session(options: S3Options) -> botocore.session.Session:
    session_vars = _NO_PROFILE if options.fixed_keys else None
    session = botocore.session.Session(session_vars=session_vars, profile=options.profile)
    session.register_component("data_loader", _models())
    return session


def _new_client(options: S3Options, keys: Keys | None) -> S3Client:
    quiet(logging.INFO, "botocore")
    try:
        found = _new_session(options)
        if keys is not None:
            signed_by(found, keys)
        session = boto3.session.Session(
            botocore_session=found,
            aws_access_key_id=options.access_key,
            aws_secret_access_key=options.secret_key,
            aws_session_token=options.session_token,
            region_name=options.region,
        )
        # None: verified, with the authorities that AWS_CA_BUNDLE or the profile names, else with the usual ones.
        verify = options.ca_bundle or (None if options.verify else False)
        client = session.client("s3", endpoint_url=options.server_url, verify=verify, config=_config(options))
    except (BotoCoreError, ValueError) as error:
        # The class alone: the text may hold what a file of credentials has in it.
        cure = "Check this option, and boto3's own files and environment (~/.aws/config, AWS_PROFILE, AWS_REGION)."
        option = "profile" if options.profile is not None else "region"
        raise bad(option, f"boto3 cannot make a client ({type(error).__name__}).", cure) from None
    _bound(client)
    return client


def _close(client: Any) -> None:
    """Closes its idle connections, which its own `close` leaves to the collector of garbage."""
    session = client._endpoint.http_session
    for manager in (session._manager, *session._proxy_managers.values()):
        close_pools(manager)
    client.close()


def _bound(client: Any) -> None:
    """Has its connections keep our bounds. botocore has no public way; its managers of pools share this dictionary."""
    client._endpoint.http_session._pool_classes_by_scheme.update(
        bounded_pools(AWSHTTPConnectionPool, AWSHTTPSConnectionPool)
    )


def _config(options: S3Options) -> Config:
    certificate: Any = options.client_cert
    if options.client_key is not None:
        certificate = (options.client_cert, options.client_key)
    values: dict[str, Any] = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": options.addressing_style, "payload_signing_enabled": False},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "retries": {"mode": options.retry_mode, "total_max_attempts": 1},
        "connect_timeout": options.connect_timeout,
        "read_timeout": options.read_timeout,
        "max_pool_connections": options.pool_size,
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


def unreadable_file(options: S3Options) -> str | None:
    """The option whose file cannot be read; None if all can."""
    for option in ("ca_bundle", "client_cert", "client_key"):
        path = getattr(options, option)
        if path is not None and not os.access(path, os.R_OK):
            return option
    return None
