"""The proof that a store works: a token, the containers, and an object that can be stored, read and removed in them.
The first check makes a large one too, since servers with Swift's API differ there.

Nothing is created: a missing container may be one that somebody took away.

Right blame: what an operator can cure by an option is a ConfigurationError, a cluster that is down is StoreUnavailable.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from imgstore import errors
from imgstore.driver.translate import OnFailure
from imgstore.drivers.swift.account import AccountClient, Path
from imgstore.drivers.swift.cluster_limits import Limits
from imgstore.drivers.swift.containers import Containers, missing
from imgstore.drivers.swift.errors import NotAsConfigured
from imgstore.drivers.swift.large_probe import Facts, facts_of_large_object
from imgstore.drivers.swift.options import SwiftOptions
from imgstore.drivers.swift.writer import PLAIN

PROBE_KEY = "0" * 32
_CONTENT = b"imgstore"


def _blame(error: BaseException) -> None:
    if isinstance(error, NotAsConfigured):
        raise error.as_configuration() from None


configuration_blamed = OnFailure(_blame)
"""Inside, what the configuration is to blame for becomes a ConfigurationError."""


class Check:
    """Proves one account. `owner` tells what the names of the store's own segments have."""

    def __init__(
        self, account: AccountClient, containers: Containers, options: SwiftOptions, owner: Callable[[], str | None]
    ) -> None:
        self._account = account
        self._containers = containers
        self._options = options
        self._owner = owner
        self._facts: Facts | None = None

    def run(self) -> None:
        """Raises NotAsConfigured, StoreError."""
        prove(self._account, self._containers, self._options)
        if self._facts is None and not self._containers.own:
            home, *others = self._containers.fixed()
            self._facts = facts_of_large_object(self._account, home, (*others, home)[0], self._owner())

    def facts(self) -> Mapping[str, str]:
        """What the checks found out about the server, in words."""
        return {} if self._facts is None else self._facts.told(self._account.limits())


def prove(account: AccountClient, containers: Containers, options: SwiftOptions) -> None:
    """Stores, reads and removes a small object that no listing of images shows. Raises NotAsConfigured, StoreError."""
    _expect_policy(options.storage_policy, account.limits())
    if containers.own:
        account.head_account()
        return
    others = () if options.create_container else containers.pair(PROBE_KEY)
    for container in dict.fromkeys((*containers.fixed(), *others)):
        needed = container == containers.main or not options.create_container
        _probe(account, (container, f".imgstore-probe-{secrets.token_hex(8)}"), needed=needed)


def _probe(account: AccountClient, path: Path, *, needed: bool) -> None:
    """A container that is not `needed` is created when first used."""
    try:
        account.put(path, memoryview(_CONTENT), action="storing a probe", headers=PLAIN)
    except errors.ObjectNotFound:
        if needed:
            raise missing(path[0]) from None
        return
    try:
        _expect_content(account, path)
    finally:
        account.delete(path)


def _expect_policy(policy: str | None, limits: Limits) -> None:
    known = limits.policies
    if policy is not None and known is not None and policy.lower() not in {name.lower() for name in known}:
        raise NotAsConfigured(
            "storage_policy", f"the cluster has no policy '{policy}'.", f"Use one of: {', '.join(known)}."
        )


def _expect_content(account: AccountClient, path: Path) -> None:
    if account.fetch(path) != _CONTENT:
        raise errors.IntegrityError("The store does not give back what was written.")
