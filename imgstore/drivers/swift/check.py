"""The proof that a store works: a token, the containers, and an object that can be stored, read and removed in both.

What an operator can cure by an option is a ConfigurationError; a cluster that is down is not, it is its own error.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from imgstore import errors
from imgstore.drivers.swift.account import Account
from imgstore.drivers.swift.cluster_limits import Limits
from imgstore.drivers.swift.containers import Containers
from imgstore.drivers.swift.errors import NotAsConfigured
from imgstore.drivers.swift.settings import Settings

PROBE_KEY = "0" * 32
_CONTENT = b"imgstore"
_PLAIN = {"Content-Type": "application/octet-stream"}


@contextmanager
def configuration_blamed() -> Iterator[None]:
    """Inside, what the configuration is to blame for becomes a ConfigurationError."""
    try:
        yield
    except NotAsConfigured as error:
        raise error.as_configuration() from None


def prove(account: Account, containers: Containers, limits: Limits, settings: Settings) -> None:
    """Stores, reads and removes a small object that no listing of images shows. Raises NotAsConfigured, StoreError."""
    _expect_policy(settings, limits)
    for container in (containers.of(PROBE_KEY), containers.segments_of(PROBE_KEY)):
        path = (container, f".imgstore-probe-{secrets.token_hex(8)}")

        def put(path: tuple[str, str] = path) -> None:
            account.put(path, memoryview(_CONTENT), action="storing a probe", headers=_PLAIN)

        containers.in_place(PROBE_KEY, put)
        try:
            _expect_content(account, path)
        finally:
            account.delete(path)


def _expect_policy(settings: Settings, limits: Limits) -> None:
    policy, known = settings.storage_policy, limits.policies
    if policy is not None and known is not None and policy.lower() not in {name.lower() for name in known}:
        raise NotAsConfigured(
            "storage_policy", f"the cluster has no policy '{policy}'.", f"Use one of: {', '.join(known)}."
        )


def _expect_content(account: Account, path: tuple[str, str]) -> None:
    if account.fetch(path).body != _CONTENT:
        raise errors.IntegrityError("The store does not give back what was written.")
