"""One request and its answer, forwarded both ways at once as the bytes come: nothing is kept.

Both ways at once, so that a server which refuses before it has the body, or says 100 Continue, is heard in time.
"""

from __future__ import annotations

import http.client
import select
import selectors
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import h11

from imgstore.testing.faults.peer import TIMEOUT, Event, Peer
from imgstore.testing.faults.seen import Seen

GLANCE = 0.05
"""Seconds between two looks at whether the proxy stops."""


class Broken(Exception):
    """The exchange ends here, with the client's connection."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


@dataclass(frozen=True)
class Reply:
    """An answer of the proxy's own."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Body:
    """What happens to a body at certain offsets, in bytes."""

    position: int = 0
    flips: set[int] = field(default_factory=set)
    stops: dict[int, Callable[[], None]] = field(default_factory=dict)

    def at(self, offset: int, action: Callable[[], None]) -> None:
        """`action` is called when `offset` bytes have passed, if there are as many."""
        self.stops[offset] = action

    def flip(self, offset: int) -> None:
        """The byte at `offset` is changed."""
        self.flips.add(offset)

    def reach(self) -> None:
        """Calls what is to be called here."""
        if self.position in self.stops:
            self.stops.pop(self.position)()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """`data` as it is to be passed on; when the next piece is asked for, the last one has been."""
        while data:
            self.reach()
            room = min((stop - self.position for stop in self.stops), default=len(data))
            piece, data = data[:room], data[room:]
            yield self._flipped(piece)
            self.position += len(piece)
            self.reach()

    def _flipped(self, piece: bytes) -> bytes:
        here = [flip - self.position for flip in self.flips if 0 <= flip - self.position < len(piece)]
        if not here:
            return piece
        changed = bytearray(piece)
        for offset in here:
            changed[offset] ^= 1
        return bytes(changed)


class Exchange:
    """A request of `client`, whose head was read; the faults say what is to become of it, then `forward` does it."""

    def __init__(self, client: Peer, request: h11.Request, seen: Seen, stopping: threading.Event) -> None:
        self.client = client
        self.request = request
        self.seen = seen
        self.request_body = Body()
        self.answer_body = Body()
        self.headers: dict[str, str | None] = {}
        self.on_answer: list[Callable[[], None]] = []
        self.instead_of_answer: Broken | Reply | None = None
        self.answered = False
        self._stopping = stopping

    def pause(self, seconds: float) -> None:
        """Returns after `seconds`, or when the proxy stops."""
        if self._stopping.wait(seconds):
            raise Broken(reset=True)

    def await_departure(self, seconds: float) -> None:
        """Says nothing until the client has gone, `seconds` have passed, or the proxy stops; ends the exchange then."""
        end = time.monotonic() + seconds
        while not self.seen.given_up and time.monotonic() < end and not self._stopping.is_set():
            if select.select([self.client.socket], [], [], GLANCE)[0]:
                self.seen.given_up = self._client_has_gone()
        raise Broken(reset=True)

    def _look_for_client(self) -> None:
        """Notes whether the client, which has sent its request, has gone without the answer."""
        has_sent = self.client.http.their_state in (h11.DONE, h11.MUST_CLOSE)
        if has_sent and select.select([self.client.socket], [], [], 0)[0]:
            self.seen.given_up = self._client_has_gone()

    def _client_has_gone(self) -> bool:
        try:
            self.client.receive_what_is_here()
        except OSError:
            return True
        return isinstance(self.client.http.next_event(), h11.ConnectionClosed)

    def drain_request(self) -> None:
        """Reads the request's body to its end."""
        if self.client.http.they_are_waiting_for_100_continue:
            self.client.send(h11.InformationalResponse(status_code=100, headers=[]))
        try:
            while isinstance(event := self.client.next(), h11.Data):
                self.seen.received += len(event.data)
        except (OSError, h11.RemoteProtocolError):
            self.seen.given_up = True
            raise
        if isinstance(event, h11.ConnectionClosed):
            self.seen.given_up = True
            raise Broken(reset=True)

    def reply(self, reply: Reply) -> None:
        """The whole answer; the server is not asked."""
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        reason = http.client.responses.get(reply.status, "Made Up")  # not every client takes none
        self._send_head(h11.Response(status_code=reply.status, headers=list(headers.items()), reason=reason))
        if reply.body and self.request.method != b"HEAD":
            self._send_body(reply.body)
        self.client.send(h11.EndOfMessage())
        self.answered = True

    def forward(self, server: Peer) -> None:
        """Forwards what comes, until the answer has ended."""
        server.send(self.request)
        with selectors.DefaultSelector() as ready:
            ready.register(server.socket, selectors.EVENT_READ, (server, self._from_server))
            if self._from_client(server):
                ready.register(self.client.socket, selectors.EVENT_READ, (self.client, self._from_client))
            while not self.answered:
                for key, _ in ready.select(TIMEOUT) or [_silence()]:
                    peer, handle = key.data
                    peer.receive_what_is_here()
                    if not handle(server) and peer is self.client:
                        ready.unregister(peer.socket)

    def _from_client(self, server: Peer) -> bool:
        """Forwards what is here of the request; whether there is more to come."""
        while isinstance(event := self.client.http.next_event(), h11.Data):
            self.seen.received += len(event.data)
            if not self._passed_on(bytes(event.data), server):
                return False
        if isinstance(event, h11.EndOfMessage):
            self.seen.whole = True
            server.send(event)
        elif isinstance(event, h11.ConnectionClosed):
            raise Broken(reset=True)
        return event is h11.NEED_DATA

    def _passed_on(self, data: bytes, server: Peer) -> bool:
        """False where the server wants no more of it: then its answer is here."""
        for piece in self.request_body.pieces(data):
            try:
                server.send(h11.Data(data=piece))
            except OSError:
                return False
        return True

    def _from_server(self, server: Peer) -> bool:
        """Forwards what is here of the answer; whether there is more to come."""
        while (event := server.http.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.ConnectionClosed):
                raise Broken(reset=True)
            self._answer(event)
            if isinstance(event, h11.EndOfMessage):
                self._end_answer()
                return False
        return True

    def _answer(self, event: Event) -> None:
        if isinstance(event, h11.Response):
            self._look_for_client()
            for action in self.on_answer:
                action()
        if self.instead_of_answer is not None and not isinstance(event, h11.InformationalResponse):
            return
        if isinstance(event, h11.Response):
            self._send_head(self._changed(event))
        elif isinstance(event, h11.Data):
            for piece in self.answer_body.pieces(bytes(event.data)):
                self._send_body(piece)
        elif isinstance(event, h11.InformationalResponse):
            self.client.send(event)

    def _send_head(self, head: h11.Response) -> None:
        self.seen.status = head.status_code
        self.seen.answer_headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        self.client.send(head)

    def _send_body(self, data: bytes) -> None:
        self.client.send(h11.Data(data=data))
        self.seen.sent += len(data)

    def _end_answer(self) -> None:
        if isinstance(self.instead_of_answer, Broken):
            raise self.instead_of_answer
        if isinstance(self.instead_of_answer, Reply):
            self.reply(self.instead_of_answer)
        else:
            self.client.send(h11.EndOfMessage())
        self.answered = True

    def _changed(self, event: h11.Response) -> h11.Response:
        if not self.headers:
            return h11.Response(
                status_code=event.status_code, headers=list(event.headers.raw_items()), reason=event.reason
            )
        changed = {name.lower().encode() for name in self.headers}
        headers = [(name, value) for name, value in event.headers.raw_items() if name.lower() not in changed]
        headers += [(name.encode(), value.encode()) for name, value in self.headers.items() if value is not None]
        return h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)


def _silence() -> tuple[selectors.SelectorKey, int]:
    raise Broken(reset=True)
