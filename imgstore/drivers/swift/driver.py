"""The Swift driver: images in OpenStack Swift, or in what speaks its API, through python-swiftclient.

Small images are one object, large ones static large objects, whose segments are named by the attempt that writes them
and sent in parallel from memory. What is where:

    options, settings, credentials        what an operator sets
    auth, connections, requests           tokens, connections, one request and its further tries
    account, cluster_limits, errors       what is asked of an account, and what the answers mean
    containers, urls, listing             where an object is
    writer, attempt, manifest             writing
    reader, dynamic_objects               reading
    deletion, copy, temporary_urls        what else is done with an object
    quotas, leftovers, check              the account as a whole
    account_driver, multi_tenant          all of it on one account, the store's own or a caller's

Memory (law 6): an upload holds `large_object_threshold + (concurrency + 1) * segment_size` bytes, more only where the
server's limits or an unknown length make segments larger (`imgstore.driver.part_sizes`); a download what one read has,
with `read_concurrency` above 1 `(read_concurrency + 1) * read_block_size` bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from imgstore.driver.base import StoreDriver
from imgstore.drivers.swift import options
from imgstore.drivers.swift.account_driver import AccountDriver
from imgstore.drivers.swift.auth import StoreToken
from imgstore.drivers.swift.cluster_limits import Kept
from imgstore.drivers.swift.connections import Pool
from imgstore.drivers.swift.containers import CallerNaming, Naming, StoreNaming
from imgstore.drivers.swift.credentials import Credentials
from imgstore.drivers.swift.errors import NotAsConfigured
from imgstore.drivers.swift.multi_tenant import CallersDriver, caller_token, container_headers
from imgstore.drivers.swift.settings import checked
from imgstore.drivers.swift.urls import StoreUrls

IDLE_FOR_EACH_SEGMENT = 4


class SwiftDriver(AccountDriver):
    """Objects in the store's own account. See OPTIONS for the parameters. Raises ConfigurationError for bad values."""

    OPTIONS = options.OPTIONS

    def __init__(
        self,
        *,
        auth_version: str = "3",
        auth_url: str | None = None,
        username: str | None = None,
        user_id: str | None = None,
        password: str | None = None,
        user_domain_name: str | None = None,
        user_domain_id: str | None = None,
        project_name: str | None = None,
        project_id: str | None = None,
        project_domain_name: str | None = None,
        project_domain_id: str | None = None,
        application_credential_id: str | None = None,
        application_credential_name: str | None = None,
        application_credential_secret: str | None = None,
        account_file: str | None = None,
        reference: str = options.REFERENCE,
        region: str | None = None,
        endpoint_type: str = "public",
        service_type: str = options.SERVICE_TYPE,
        endpoint: str | None = None,
        insecure: bool = False,
        cacert: str | None = None,
        connect_timeout: float = options.CONNECT_TIMEOUT,
        read_timeout: float = options.READ_TIMEOUT,
        max_attempts: int = options.MAX_ATTEMPTS,
        container: str = options.CONTAINER,
        segments_container: str | None = None,
        multiple_containers_seed: int = 0,
        create_container: bool = False,
        storage_policy: str | None = None,
        multi_tenant: bool = False,
        admin_tenants: Sequence[str] = (),
        large_object_threshold: int | None = None,
        segment_size: int = options.SEGMENT_SIZE,
        concurrency: int = options.CONCURRENCY,
        largest_unknown_size: int = options.LARGEST_UNKNOWN,
        read_concurrency: int = options.READ_CONCURRENCY,
        read_block_size: int = options.BLOCK_SIZE,
        check_quota: bool = True,
        quota_age: float = options.QUOTA_AGE,
        temp_url_key: str | None = None,
    ) -> None:
        given = locals()
        settings = checked({option.dest: given[option.dest] for option in options.OPTIONS})
        self._pool = Pool(settings, keep=IDLE_FOR_EACH_SEGMENT * settings.concurrency)
        self._own_token = StoreToken(settings, self._credentials)
        self._cluster = Kept()
        naming: Naming = CallerNaming(settings) if settings.multi_tenant else StoreNaming(settings)
        super().__init__(
            settings, auth=self._own_token, pool=self._pool, naming=naming, limits=self._cluster,
            urls=StoreUrls(settings, naming, self._credentials), headers=container_headers(settings),
        )  # fmt: skip

    def check(self) -> None:
        """See StoreDriver. Where every caller brings a token and the store has none, there is nothing to prove."""
        if self._settings.own is not None or not self._settings.multi_tenant:
            super().check()

    def for_context(self, context: object, *, url: str | None = None) -> StoreDriver:
        """See StoreDriver: with multi_tenant a driver on the caller's own account, or on the one in `url`."""
        if not self._settings.multi_tenant or (context is None and url is None):
            return self
        token = self._own_token if context is None else caller_token(context, self._settings)
        return CallersDriver(self._settings, token, url, pool=self._pool, limits=self._cluster)

    def close(self) -> None:
        """See StoreDriver."""
        self._pool.close()
        self._own_token.close()

    def _credentials(self) -> Credentials:
        found = self._settings.credentials()
        if found is None:
            raise NotAsConfigured(
                "auth_url", "is not set, and no caller's token is there.", "Set it, or pass the context."
            )
        return found
