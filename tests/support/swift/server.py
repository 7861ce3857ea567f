"""A real Swift for tests: one process on free ports of 127.0.0.1, and one directory of data that goes with it.

It is installed in an environment of its own (the Makefile builds it in `.venv/swift`; IMGSTORE_SWIFT names another).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.certificates import write_certificate
from tests.support.child import Child
from tests.support.running import Running
from tests.support.swift.account import SwiftAccount
from tests.support.swift.settings import ACCOUNT, PEOPLE, Secrets, SwiftSettings, write_configuration
from tests.support.waiting import until

PATIENCE = 60.0
ROOM = 4 * 1024**3


class SwiftServer(Running):
    """One Swift; use it as a context manager. What an account uses, and so its quota, lags by a moment. Its data go
    into a new directory in `place`; None: in memory, if there is room.

    `url`: where its proxy listens, for S3 too; `auth_url`: for auth version 1; `ca_file`: what a client must trust.
    """

    def __init__(self, settings: SwiftSettings | None = None, *, place: Path | None = None) -> None:
        self.settings = settings or SwiftSettings()
        self._places = [place] if place else _places()
        self.root = Path("/")
        self.url = ""
        self.ca_file: Path | None = None
        self._secrets = Secrets()
        self._numbers = itertools.count()
        self._stack = contextlib.ExitStack()
        self._child: Child | None = None

    @property
    def auth_url(self) -> str:
        """Where tempauth gives tokens."""
        return f"{self.url}/auth/v1.0"

    @property
    def child(self) -> Child:
        """Its one process."""
        assert self._child is not None, "Swift is not running"
        return self._child

    @property
    def log(self) -> str:
        """What its servers have said so far, a line for each request of each."""
        return self.child.log

    def account(self) -> SwiftAccount:
        """An account that nobody has used, with a user `tester` who may do everything in it."""
        number = next(self._numbers)
        assert number < self.settings.accounts, "all accounts are used: SwiftSettings(accounts=...) for more"
        return self._account(ACCOUNT.format(number=number), PEOPLE[0])

    def stranger(self, account: SwiftAccount) -> SwiftAccount:
        """The same account for a user who has a valid token there, and no right at all: 403."""
        return self._account(account.name, PEOPLE[1], storage_url=account.storage_url)

    def set_account_quota(self, account: SwiftAccount, size: int | None) -> None:
        """At most so many bytes in an account; None for no limit."""
        value = "" if size is None else str(size)
        answer = self._admin().post("", headers={"X-Account-Meta-Quota-Bytes": value}, url=account.storage_url)
        assert answer.status == 204, answer

    def start(self) -> None:
        """Starts the process and waits until it stores something."""
        self.root = _directory(self._places)
        self._stack.callback(shutil.rmtree, self.root)
        for name in ("node/d1", "cache"):
            (self.root / name).mkdir(parents=True)
        write_configuration(self.root, self.settings, self._secrets)
        files = write_certificate(self.root) if self.settings.tls else ()
        self.ca_file = files[0] if files else None
        arguments = (str(self.root), *map(str, files))
        script = Path(__file__).with_name("launch.py")
        self._child = self._stack.enter_context(Child(script, *arguments, name="swift", root=self.root))
        self.url = f"{'https' if self.settings.tls else 'http'}://127.0.0.1:{self.child.port}"
        if self.settings.keystone is None:
            self._wait_for_first_object()  # else nobody is known yet who might store one

    def stop(self) -> None:
        """Ends the process and removes what it wrote; a no-op if there is none."""
        self._stack.close()

    def _wait_for_first_object(self) -> None:
        admin = self._admin()
        until(lambda: admin.put("first").status == 201 and admin.put("first/object", b"some").status == 201)

    def _admin(self) -> SwiftAccount:
        return SwiftAccount(
            name="admin", user="admin", key=self._secrets.admin, auth_url=self.auth_url, ca_file=self.ca_file
        )

    def _account(self, name: str, user: str, *, storage_url: str = "") -> SwiftAccount:
        return SwiftAccount(
            name=name,
            user=user,
            key=self._secrets.key(name, user),
            auth_url=self.auth_url,
            ca_file=self.ca_file,
            storage_url=storage_url,
        )


def _places() -> list[Path]:
    places = [Path("/dev/shm"), Path(tempfile.gettempdir()), Path("/var/tmp"), Path(sys.prefix)]
    return places if places[0].is_dir() and shutil.disk_usage(places[0]).free >= ROOM else places[1:]


def _directory(places: Sequence[Path]) -> Path:
    """A new directory where files have user attributes, in which Swift keeps what it knows of an object."""
    for place in places:
        root = Path(tempfile.mkdtemp(prefix="imgstore-swift-", dir=place))
        with contextlib.suppress(OSError):
            os.setxattr(root, "user.imgstore.probe", b"here")
            return root
        root.rmdir()
    raise AssertionError(
        f"Swift needs files with user attributes, and none of {', '.join(map(str, places))} has them: set TMPDIR to a "
        "directory on ext4, xfs, or tmpfs of Linux 6.6 or later"
    )
