"""The keys that boto3 finds by itself: in a file, by a process, from a role. Whoever gives them may hang.

So they are asked for on a thread of their own (`imgstore.driver.shared`). Who signs a request with keys that are there
never waits, and the others no longer than their deadlines allow. Keys are looked for anew once in a while: then boto3
renews those that are about to expire, and a file that somebody wrote is read again. Old ones serve until new ones
are there, or until the server says that they have expired.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    Credentials,
    ProcessProvider,
    RefreshableCredentials,
)

from imgstore.driver.forks import OfOneProcess
from imgstore.driver.shared import Kept, Shared
from imgstore.drivers.s3.errors import translated

FRESH = 60.0
"""Seconds after which keys are looked for anew."""
NONE_FOUND = 1.0
"""The same where there are none."""

PROCESS_SECONDS = 60.0
"""For a `credential_process`, for which boto3 has no bound; then it is killed, and asked again."""


class Keys(Credentials, OfOneProcess):
    """What signs for one store: a request asks for `get_frozen_credentials`, and for nothing else. `session` makes a
    session in which boto3 looks; `patience`: seconds that one waits at most who has no keys."""

    def __init__(self, session: Callable[[], botocore.session.Session], *, patience: float) -> None:
        Credentials.__init__(self, "", "", method="imgstore")
        OfOneProcess.__init__(self)
        self._session = session
        self._shared: Shared[Any] = Shared("keys", patience=patience)
        self._found: Any = None

    def get_frozen_credentials(self) -> Any:
        """The keys; None where there are none. Raises StoreUnavailable, ConfigurationError."""
        return self._shared.get(self._ask)

    def forget(self, expired: Any) -> None:
        """The server says that these have expired. Others are looked for in all places."""
        self._shared.forget(lambda kept: kept is expired, None)

    def _ask(self) -> Kept[Any]:
        """Those that boto3 can renew are kept, with whatever it needs for that."""
        with translated("looking for keys"):
            found = self._found
            if not isinstance(found, RefreshableCredentials):
                found = _bounded(self._session()).get_credentials()
            frozen = None if found is None else found.get_frozen_credentials()
        self._found = found
        return Kept(frozen, fresh=FRESH) if frozen else Kept(None, fresh=NONE_FOUND, good=NONE_FOUND)

    def _forked(self) -> None:
        """boto3's locks may be another thread's of the parent."""
        self._found = None


class _Process(subprocess.Popen[bytes]):
    """A `credential_process`."""

    def communicate(self, *arguments: Any, **options: Any) -> tuple[bytes, bytes]:
        """What it writes; nothing if it was killed after its time. boto3 does not tell what was written besides."""
        try:
            return super().communicate(*arguments, **{"timeout": PROCESS_SECONDS, **options})
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
            for pipe in (self.stdout, self.stderr):
                if pipe is not None:
                    pipe.close()
            return b"", b""


def _bounded(session: botocore.session.Session) -> botocore.session.Session:
    """The same session, whose `credential_process` cannot hang for ever."""
    resolver, name = session.get_component("credential_provider"), ProcessProvider.METHOD
    if any(name == provider.METHOD for provider in resolver.providers):
        profile = session.get_config_variable("profile") or "default"
        resolver.insert_after(name, ProcessProvider(profile, lambda: session.full_config, popen=_Process))
        resolver.remove(name)  # the first of this name
    return session


class _Given(CredentialProvider):
    """The one place where a session looks."""

    METHOD = CANONICAL_NAME = "imgstore"

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys = keys

    def load(self) -> Keys:
        """Asks for nothing."""
        return self._keys


def signed_by(session: botocore.session.Session, keys: Keys) -> None:
    """The session's clients sign with these keys."""
    session.register_component("credential_provider", CredentialResolver([_Given(keys)]))
