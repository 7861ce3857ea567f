"""Images in their owners' own accounts (`multi_tenant`): who calls, in which account, and who else may read.

The host hands over its own context of a request (`StoreDriver.for_context`). The driver reads three attributes or items
of it, as oslo.context and Glance name them: `auth_token`; `project_id`, if `endpoint` has a place for it; else
`service_catalog`, in the form of Keystone's middleware. A caller's token is sent to the caller's own cluster only,
whatever host a URL names.

Each image has a container of its own, as in glance_store, and one for its segments, so that each can be shared by
itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions as keystone
from keystoneauth1.access.service_catalog import ServiceCatalogV2, ServiceCatalogV3

from imgstore import errors
from imgstore.drivers.swift import errors as swift_errors
from imgstore.drivers.swift.auth import Access, Auth, CallerToken
from imgstore.drivers.swift.credentials import V3
from imgstore.drivers.swift.options import PROJECT, SwiftOptions
from imgstore.drivers.swift.urls import http_scheme, not_ours

READ, WRITE = "X-Container-Read", "X-Container-Write"


class Redirected:
    """A token used in another account of the same cluster, that of an object's `url`: a reader's token in the owner's
    account, the service's in anybody's. Raises InvalidKey for a URL that names no account."""

    def __init__(self, token: Auth, url: str) -> None:
        self._token = token
        self._url = _account_of(url)
        self.refused = token.refused
        self.forbidden = token.forbidden

    def access(self) -> Access:
        """The token, and the account's URL. Raises InvalidKey for an account that is elsewhere."""
        own = self._token.access()
        if urlsplit(own.url)[:2] != urlsplit(self._url)[:2]:
            raise not_ours()
        return Access(own.token, self._url)


def caller_token(context: object, options: SwiftOptions) -> CallerToken:
    """The caller's token and account. Raises UsageError for a context that has none."""
    token = _of(context, "auth_token")
    if not token:
        raise errors.UsageError("A store with multi_tenant needs a context with the caller's auth_token.")
    return CallerToken(Access(str(token), _url(context, options).rstrip("/")))


def new_container_headers(options: SwiftOptions) -> Mapping[str, str]:
    """The ACL of a new container: the operator's projects, nobody else."""
    admins = ",".join(_member(options, tenant) for tenant in options.admin_tenants)
    return {READ: admins, WRITE: admins} if options.multi_tenant and admins else {}


def shared_container_headers(options: SwiftOptions, *, public: bool, readers: Sequence[str]) -> Mapping[str, str]:
    """The ACL for reading: these projects and the operator's, or everybody."""
    everybody = "*:*" if options.auth_version == V3 else ".r:*"
    named = ",".join(_member(options, reader) for reader in (*readers, *options.admin_tenants))
    return {READ: everybody if public else named}


def _member(options: SwiftOptions, project: str) -> str:
    """All users of a project, or for auth version 1 of an account."""
    return f"{project}:*" if options.auth_version == V3 else project


def _url(context: object, options: SwiftOptions) -> str:
    if options.account_url is not None:
        return options.account_url.replace(PROJECT, str(_of(context, "project_id") or ""))
    catalog = _of(context, "service_catalog")
    if not catalog:
        raise errors.UsageError("A store with multi_tenant needs `endpoint`, or a context with a service_catalog.")
    try:
        return str(_catalog(catalog).url_for(**options.endpoint_wanted))
    except keystone.ClientException as error:
        raise swift_errors.from_keystone(error) from None


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
        raise not_ours()
    return f"{http_scheme(scheme)}://{account}"
