"""Images in their owners' own accounts (`multi_tenant`): who calls, in which account, and who else may read.

The host hands over its own context of a request (`StoreDriver.for_context`). This module looks at three things in it,
attributes or items: `auth_token`; `project_id`, if `endpoint` has a place for it; else `service_catalog`, as Keystone's
middleware has it. They are those of oslo.context and Glance. A caller's token is sent to the caller's own cluster only,
whatever host a URL names.

Each image has a container of its own, as in glance_store, and one for its segments, so that each can be shared by
itself. What this module refuses to do: renew a caller's token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions as keystone
from keystoneauth1.access.service_catalog import ServiceCatalogV2, ServiceCatalogV3

from imgstore import errors
from imgstore.driver.base import check_key
from imgstore.driver.translate import storage_failures
from imgstore.drivers.swift import errors as swift_errors
from imgstore.drivers.swift.account_driver import AccountDriver
from imgstore.drivers.swift.auth import Access, Auth, CallerToken
from imgstore.drivers.swift.cluster_limits import Kept
from imgstore.drivers.swift.connections import Pool
from imgstore.drivers.swift.containers import CallerNaming
from imgstore.drivers.swift.credentials import V3
from imgstore.drivers.swift.settings import PROJECT, Settings
from imgstore.drivers.swift.urls import Urls, http_scheme, prefix_of

READ, WRITE = "X-Container-Read", "X-Container-Write"


class CallersDriver(AccountDriver):
    """Objects in the account that `token` opens, or in the one that `url`, an object's, is in."""

    def __init__(self, settings: Settings, token: Auth, url: str | None, *, pool: Pool, limits: Kept) -> None:
        naming = CallerNaming(settings)
        auth = token if url is None else Redirected(token, _account_of(url))
        super().__init__(
            settings, auth=auth, pool=pool, naming=naming, limits=limits, headers=container_headers(settings),
            urls=CallerUrls(auth, naming),
        )  # fmt: skip

    def share(self, key: str, *, public: bool = False, readers: Sequence[str] = ()) -> None:
        """See SharesObjects: the ACL of the object's two containers."""
        check_key(key)
        headers = {READ: ",".join(_readers(self._settings, public, readers))}
        with storage_failures("sharing an object"):
            for container in (self._containers.of(key), self._containers.segments_of(key)):
                self._account.post_container(container, headers)

    def close(self) -> None:
        """See StoreDriver: the connections are the store's."""


class CallerUrls(Urls):
    """The URLs in a caller's account."""

    def __init__(self, auth: Auth, naming: CallerNaming) -> None:
        super().__init__(prefix_of(auth.access().url), naming)


class Redirected:
    """A token used in another account of the same cluster: a reader's in the owner's, the service's in anybody's."""

    def __init__(self, token: Auth, url: str) -> None:
        self._token = token
        self._url = url

    def access(self) -> Access:
        """See Auth. Raises InvalidKey for an account that is elsewhere."""
        own = self._token.access()
        if urlsplit(own.url)[:2] != urlsplit(self._url)[:2]:
            raise errors.InvalidKey("The URL is not of an object in this store.")
        return Access(own.token, self._url)

    def refused(self, access: Access) -> None:
        """See Auth."""
        self._token.refused(access)

    def forbidden(self, detail: str) -> errors.ImgstoreError:
        """See Auth."""
        return self._token.forbidden(detail)

    def close(self) -> None:
        """See Auth."""


def caller_token(context: object, settings: Settings) -> CallerToken:
    """The caller's token and account. Raises UsageError for a context that has none."""
    token = _of(context, "auth_token")
    if not token:
        raise errors.UsageError("A store with multi_tenant needs a context with the caller's auth_token.")
    return CallerToken(Access(str(token), _url(context, settings).rstrip("/")))


def container_headers(settings: Settings) -> Mapping[str, str]:
    """The ACL of a new container: the operator's projects, nobody else."""
    admins = ",".join(_member(settings, tenant) for tenant in settings.admin_tenants)
    return {READ: admins, WRITE: admins} if settings.multi_tenant and admins else {}


def _readers(settings: Settings, public: bool, readers: Sequence[str]) -> list[str]:
    everybody = ["*:*" if settings.auth_version == V3 else ".r:*"]
    named = [_member(settings, reader) for reader in (*readers, *settings.admin_tenants)]
    return everybody if public else named


def _member(settings: Settings, project: str) -> str:
    """All users of a project, or for auth version 1 of an account."""
    return f"{project}:*" if settings.auth_version == V3 else project


def _url(context: object, settings: Settings) -> str:
    if settings.endpoint is not None:
        return settings.endpoint.replace(PROJECT, str(_of(context, "project_id") or ""))
    catalog = _of(context, "service_catalog")
    if not catalog:
        raise errors.UsageError("A store with multi_tenant needs `endpoint`, or a context with a service_catalog.")
    try:
        found = _catalog(catalog).url_for(
            service_type=settings.service_type, interface=settings.endpoint_type, region_name=settings.region
        )
    except keystone.ClientException as error:
        raise swift_errors.from_keystone(error) from None
    return str(found)


def _catalog(entries: Sequence[dict[str, Any]]) -> ServiceCatalogV2 | ServiceCatalogV3:
    """The catalog, in the form of either version: keystonemiddleware passes on that of version 2."""
    third = any("interface" in endpoint for entry in entries for endpoint in entry.get("endpoints", ()))
    return (ServiceCatalogV3 if third else ServiceCatalogV2)(list(entries))


def _of(context: object, name: str) -> Any:
    return context.get(name) if isinstance(context, Mapping) else getattr(context, name, None)


def _account_of(url: str) -> str:
    """The account's http URL in the URL of an object. Raises InvalidKey."""
    scheme, _, rest = url.partition("://")
    account = rest.rpartition("/")[0].rpartition("/")[0]
    if scheme not in {"swift+http", "swift+https"} or not account or set("@?#") & set(rest):
        raise errors.InvalidKey("The URL is not of an object in this store.")
    return f"{http_scheme(scheme)}://{account}"
