"""What a host supplies so that it is tested over HTTP, and the bench on which these tests work."""

from __future__ import annotations

import time
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import pytest

from imgstore.testing.bench import body
from imgstore.testing.hosts.calls import DOCUMENT
from imgstore.testing.hosts.wire import LAST_CHUNK, PATIENCE, SECTION, Answer, Headers, Wire, chunk

OCTETS = ("Content-Type", "application/octet-stream")
CHUNKED = ("Transfer-Encoding", "chunked")
EXPECT = ("Expect", "100-continue")
JSON = ("Accept", "application/json")
Result = TypeVar("Result")

GOOD = body(300, 7)
SMALL = 64 * 1024
"""Bytes that are sent at once; for more, a client asks by `Expect: 100-continue`."""


class HostSubject(ABC):
    """A host that serves, with images of 200,000 bytes at least. It may serve other tests, too, but nothing meanwhile.

    `url`: where it listens, such as http://127.0.0.1:8080; a path in front of `/v2` is part of it. `caller` and
    `stranger` are headers of requests: the stranger may not see the images of the caller.

    Some classes beside `HostContract` ask for more. `largest`: bytes of the largest image (`LimitsSize`). `quota`:
    bytes that each project may use, at least as many as `largest` and less than twice as many (`LimitsQuota`).
    `stores`: identifiers of stores that clients may name (`NamesStores`). `read_only_store`: that of one which takes
    nothing (`HasReadOnlyStore`).
    """

    url: str
    caller: Mapping[str, str]
    stranger: Mapping[str, str]
    largest: int = 0
    quota: int = 0
    stores: Sequence[str] = ()
    read_only_store: str = ""

    def newcomer(self) -> Mapping[str, str]:
        """Headers of the caller of one test. In a host with a quota, the project of a newcomer uses nothing yet."""
        return self.caller

    @abstractmethod
    def create(self, caller: Mapping[str, str], *, disk_format: str = "raw") -> str:
        """The identifier of a new image of this caller, queued; only `InspectsContent` asks for another format."""

    def delete(self, caller: Mapping[str, str], image_id: str) -> None:
        """Deletes an image of this caller as the host does it for a user; only `DeletesImages` asks for it."""
        raise NotImplementedError("delete an image")

    @abstractmethod
    def inventory(self) -> Collection[str]:
        """Names of everything that is in the host's stores, as another tool sees it: `os.listdir`, say."""

    def inventory_of(self, store: str) -> Collection[str]:
        """Of these names, those in one store; only `NamesStores` asks for it. The keys of objects have the identifiers
        of their images."""
        return self.inventory()

    def create_signed(self, caller: Mapping[str, str]) -> str | None:
        """As `create`, with the properties of a signature (`imgstore.catalog.SIGNATURE`); None if the host refused that
        with 400; only `RefusesSignatures` asks for it."""
        raise NotImplementedError("create an image with img_signature")

    def path(self, image_id: str) -> str:
        """Where the data of an image is, below `url`."""
        return f"/v2/images/{image_id}/file"


class HostBench:
    """Requests of a newcomer, and what must be true after them."""

    def __init__(self, subject: HostSubject) -> None:
        self.subject = subject
        self.caller = subject.newcomer()
        parts = urllib.parse.urlsplit(subject.url)
        self._address = parts.hostname or "127.0.0.1", parts.port or 80
        self._prefix = parts.path.rstrip("/")

    def create(self, *, disk_format: str = "raw") -> str:
        """A new queued image."""
        return self.subject.create(self.caller, disk_format=disk_format)

    def delete(self, image_id: str) -> None:
        """Deletes an image."""
        self.subject.delete(self.caller, image_id)

    def active(self, content: bytes = GOOD) -> str:
        """A new image with data."""
        image_id = self.create()
        self.put(image_id, content).must_be(204)
        return image_id

    def path(self, image_id: str) -> str:
        """Where the data of an image is."""
        return self._prefix + self.subject.path(image_id)

    def wire(self) -> Wire:
        """A new connection."""
        return Wire(self._address)

    def head(
        self, wire: Wire, method: str, image_id: str, headers: Headers, *, caller: Mapping[str, str] | None = None,
        query: str = "",
    ) -> None:  # fmt: skip
        """Sends the head of a request."""
        who = self.caller if caller is None else caller
        wire.head(method, self.path(image_id) + query, [*headers, *who.items()])

    def ask(
        self, method: str, image_id: str, *headers: tuple[str, str], body: Iterable[bytes] = (),
        caller: Mapping[str, str] | None = None, query: str = "",
    ) -> Answer:  # fmt: skip
        """One request on a connection of its own."""
        pieces = list(body)
        polite = [EXPECT] if sum(map(len, pieces)) > SMALL else []
        with self.wire() as wire:
            self.head(wire, method, image_id, [*headers, *polite], caller=caller, query=query)
            wire.send_body(pieces) if polite else wire.send(*pieces)
            return wire.answer()

    def put(
        self, image_id: str, content: bytes, *headers: tuple[str, str], chunked: bool = False,
        caller: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """An upload of known length, or chunked."""
        framing = CHUNKED if chunked else ("Content-Length", str(len(content)))
        pieces = [content[at : at + 70_001] for at in range(0, len(content), 70_001)]
        framed = [*map(chunk, pieces), LAST_CHUNK] if chunked else pieces
        return self.ask("PUT", image_id, OCTETS, framing, *headers, body=framed, caller=caller)

    def get(
        self, image_id: str, *headers: tuple[str, str], method: str = "GET", query: str = "",
        caller: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """A download, or with another method its headers."""
        return self.ask(method, image_id, *headers, query=query, caller=caller)

    def assert_stored(self, image_id: str, content: bytes) -> None:
        """The image comes out as it went in."""
        answer = self.get(image_id).must_be(200).must_carry(content)
        answer.must_have(content_length=str(len(content)))

    def inventory(self) -> set[str]:
        """What is in the stores now."""
        return set(self.subject.inventory())

    def assert_undone(self, image_id: str, before: set[str], *, retry: bytes = GOOD) -> None:
        """Nothing of an upload is left: not in the stores, and the image takes a retry."""
        self.assert_nothing_new(before)
        self.get(image_id).must_be(204)
        self._after_a_while(lambda: self.put(image_id, retry), lambda answer: answer.status != 409).must_be(204)
        self.assert_stored(image_id, retry)

    def assert_nothing_new(self, before: set[str]) -> None:
        """Nothing is in the stores that was not there before, once the host had the time to remove it."""
        left = self._after_a_while(lambda: self.inventory() - before, lambda names: not names)
        if left:
            pytest.fail(f"The host left {sorted(left)} in its stores instead of nothing. Read {DOCUMENT}#{SECTION}")

    def _after_a_while(self, look: Callable[[], Result], is_well: Callable[[Result], bool]) -> Result:
        """What is seen as soon as it is well, or at last: a host may notice a client that left a moment later."""
        until = time.monotonic() + PATIENCE
        while not is_well(seen := look()) and time.monotonic() < until:
            time.sleep(0.01)
        return seen
