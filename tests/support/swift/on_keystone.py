"""A Swift whose users are those of a real Keystone, which is asked about every request."""

from __future__ import annotations

import contextlib
import itertools

from tests.support.keystone import PASSWORD, Keystone
from tests.support.running import Running
from tests.support.swift.account import SwiftAccount
from tests.support.swift.server import SwiftServer
from tests.support.swift.settings import KeystoneAccess, SwiftSettings
from tests.support.waiting import until

SERVICE = "object-store"


class KeystoneAccount(SwiftAccount):
    """The account of a project, and the user who has a role there."""

    keystone: Keystone
    project: str

    def new_token(self) -> str:
        """A new token, and from now on the one that is used."""
        self._token = self.keystone.token(self.user, self.project)
        return self._token


class KeystoneSwift(Running):
    """Keystone and Swift, each in Keystone's catalog; use it as a context manager. `keystone` was not started.

    A driver is told `keystone.url`, `account.user`, `account.key` and `account.project`, all in the domain `default`.
    """

    def __init__(self, keystone: Keystone) -> None:
        self.keystone = keystone
        self.swift = SwiftServer()
        self._numbers = itertools.count(1)
        self._stack = contextlib.ExitStack()

    def account(self) -> KeystoneAccount:
        """The account of a new project, for its member, who may do everything in it."""
        project = f"project{next(self._numbers)}"
        self.keystone.add_project(project)
        account = self._account(project, "member")
        _wait_for_first_container(account)
        return account

    def reader(self, account: KeystoneAccount) -> KeystoneAccount:
        """The same account for a user who has no right in it: 403."""
        return self._account(account.project, "reader")

    def access(self, *, remembered: int = -1) -> KeystoneAccess:
        """What another Swift before the same Keystone is told."""
        return KeystoneAccess(self.keystone.url, "imgstore", PASSWORD, remembered)

    def start(self) -> None:
        """Starts both."""
        self._stack.enter_context(self.keystone)
        self.keystone.populate()
        self.swift = self._stack.enter_context(SwiftServer(SwiftSettings(keystone=self.access())))
        self.keystone.offer(SERVICE, f"{self.swift.url}/v1/AUTH_$(project_id)s")

    def stop(self) -> None:
        """Ends both."""
        self._stack.close()

    def _account(self, project: str, role: str) -> KeystoneAccount:
        url = f"{self.swift.url}/v1/AUTH_{self.keystone.project(project)}"
        user = f"{role}-{project}"
        account = KeystoneAccount(name=project, user=user, key=PASSWORD, auth_url=self.keystone.url, storage_url=url)
        account.keystone, account.project = self.keystone, project
        return account


def _wait_for_first_container(account: KeystoneAccount) -> None:
    until(lambda: account.put("first").status in (201, 202))
    account.delete("first")
