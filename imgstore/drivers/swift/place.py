"""The containers of a store as a place: in which account, which ones, and the mark in the main one.

The main container is the one that `container` names; with `multiple_containers_seed` it has the mark and nothing else.
The options tell the account, as far as they can without a request: who asks for a token, and where. What they do not
tell (one project by its name and by its identifier, say), the mark tells.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from imgstore import errors
from imgstore.driver.place import EPOCH_NAME, LONGEST, MARK_NAME, epoch_in, mark_in, text_of, text_of_epoch
from imgstore.drivers.swift.account import AccountClient
from imgstore.drivers.swift.credentials import V1, Credentials
from imgstore.drivers.swift.options import LONGEST_KEY, SEGMENTS, SwiftOptions
from imgstore.model import Place

KIND = "swift"
DEFAULT_PORTS = {"http": 80, "https": 443}

Account = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of containers: `main`, and those with the first `letters` of a key behind it, dashes not counted."""

    main: str
    letters: int

    def __contains__(self, name: str) -> bool:
        if not self.letters or not name.startswith(f"{self.main}_"):
            return name == self.main
        found = name[len(self.main) + 1 :]
        return len(found) <= self.letters + found[: self.letters].count("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class SwiftPlace(Place):
    """The place of a store. `segments`: the one container of its segments; None where each has one beside it."""

    names: Names
    segments: str | None
    accounts: frozenset[Account]

    def overlaps(self, other: Place) -> bool:
        """Whether the two may have a container in common. Where two names with letters are one, the main container of
        one store begins it, and is itself a name of the other's."""
        if not isinstance(other, SwiftPlace) or not self.accounts & other.accounts:
            return False
        return self._has_any_of(other) or other._has_any_of(self)

    def _has_any_of(self, other: SwiftPlace) -> bool:
        return any(self._has(name) for name in (other.names.main, other.segments or other.names.main + SEGMENTS))

    def _has(self, name: str) -> bool:
        beside = self.segments is None and name.endswith(SEGMENTS) and name.removesuffix(SEGMENTS) in self.names
        return name in self.names or name == self.segments or beside


def place_of(options: SwiftOptions) -> SwiftPlace:
    """The place that the options name. In their callers' accounts a store can keep no mark."""
    own, callers = _own_account(options), options.multi_tenant
    everywhere = ("callers", options.account_url or options.region or "")
    return SwiftPlace(
        kind=KIND,
        root=everywhere if callers else own,
        path=(options.container,),
        name=_for_people(options),
        markable=not callers,
        names=Names(options.container, LONGEST_KEY if callers else options.multiple_containers_seed),
        segments=options.segments_container,
        accounts=frozenset({everywhere, own} if callers else {own}),
    )


class Notes:
    """What the store notes in the main container: its mark, and an epoch (`KeepsEpoch`). `read` and `write` ask Swift
    for the mark; `known` asks once."""

    def __init__(self, account: AccountClient, container: str) -> None:
        self._account = account
        self._container = container
        self._known: tuple[str | None] | None = None

    def known(self) -> str | None:
        """The mark as it was read last."""
        return self.read() if self._known is None else self._known[0]

    def read(self) -> str | None:
        """The mark; None where there is none, and where the container is missing."""
        self._known = (mark_in(self._text(MARK_NAME)),)
        return self._known[0]

    def write(self, mark: str, *, replace: bool) -> str:
        """Leaves `mark` in the container unless it has one; `replace`: instead of any. Returns what it has then. Swift
        may let two through at once: the later one stays, which the other finds at its next look."""
        found = self.read()
        if found is None or replace:
            self._put(MARK_NAME, text_of(mark), {} if replace else {"If-None-Match": "*"})
            found = self.read()
        if found is None:
            raise errors.WrongPlace(f"What has the name {MARK_NAME} in the container is not a mark.")
        return found

    def read_epoch(self) -> int:
        """The epoch; 0 for none."""
        return epoch_in(self._text(EPOCH_NAME))

    def write_epoch(self, epoch: int) -> None:
        """Notes it in place of another."""
        self._put(EPOCH_NAME, text_of_epoch(epoch), {})

    def _text(self, name: str) -> bytes:
        """What is noted; nothing where there is no such object, or no container."""
        text = b""
        with (
            contextlib.suppress(errors.ObjectNotFound),
            contextlib.closing(self._account.get((self._container, name))) as stream,
        ):
            while len(text) < LONGEST and (more := stream.read(LONGEST)):
                text += more
        return text

    def _put(self, name: str, text: bytes, condition: dict[str, str]) -> None:
        headers, there = {"Content-Type": "text/plain", **condition}, {412: errors.ObjectExists("It is there.")}
        with contextlib.suppress(errors.ObjectExists):
            self._account.put(
                (self._container, name), memoryview(text), action="noting", headers=headers, refusals=there
            )


def _own_account(options: SwiftOptions) -> Account:
    """What tells the store's account. A file of accounts that cannot be read tells its own name, for the time being."""
    if options.account_url is not None and not options.multi_tenant:
        return ("endpoint", _server(options.account_url))
    try:
        who = options.credentials()
    except errors.ConfigurationError:
        return ("file", options.account_file or "", options.reference)
    return ("nobody",) if who is None else _account_of(who, options)


def _account_of(who: Credentials, options: SwiftOptions) -> Account:
    where = _server(who.token_url)
    if who.auth_version == V1:
        user = who.username or ""
        return ("account", where, user.rpartition(":")[0] or user)
    service = (options.service_type, options.region or "")
    if who.by_application:
        names = (who.application_credential_id, who.application_credential_name, who.username, who.user_id)
        return ("application", where, *(name or "" for name in names), *service)
    return ("project", where, who.project_id or f"{_domain(who)}/{who.project_name}", *service)


def _domain(who: Credentials) -> str:
    return who.project_domain_id or (who.project_domain_name or "default").lower()


def _server(url: str) -> str:
    """A server and a path on it, however they are written."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    return f"{parts.hostname}:{port}{parts.path.rstrip('/').removesuffix('/v3')}"


def _for_people(options: SwiftOptions) -> str:
    more = options.multiple_containers_seed or options.multi_tenant
    containers = f"containers {options.container}_..." if more else f"container {options.container}"
    return containers if options.segments_container is None else f"{containers} with {options.segments_container}"
