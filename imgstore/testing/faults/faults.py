"""The faults: each says what becomes of an exchange, before its request is forwarded. They are values.

For one of your own subclass `Fault`: `apply` gets the exchange, and arranges what is to happen to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from imgstore.testing.faults.exchange import Broken, Exchange, Reply


class Fault(ABC):
    """Something that goes wrong."""

    @abstractmethod
    def apply(self, exchange: Exchange) -> None:
        """Arranges it."""


@dataclass(frozen=True)
class Respond(Fault):
    """An answer of the proxy's own; the server is not asked."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    early: bool = False

    def apply(self, exchange: Exchange) -> None:
        if not self.early:
            exchange.drain_request()
        exchange.reply(Reply(self.status, self.body, self.headers))


def s3_error(status: int, code: str, *, message: str = "", early: bool = False) -> Respond:
    """An error as the S3 API has them; status 200 is what a failed CompleteMultipartUpload may have."""
    text = f"<Code>{escape(code)}</Code><Message>{escape(message or code)}</Message><RequestId>made-up</RequestId>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}</Error>'.encode()
    return Respond(status, body, {"Content-Type": "application/xml"}, early=early)


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset; the server is not asked."""

    early: bool = False

    def apply(self, exchange: Exchange) -> None:
        if not self.early:
            exchange.drain_request()
        raise Broken(reset=True)


@dataclass(frozen=True)
class Delay(Fault):
    """`seconds` pass before the server is asked."""

    seconds: float

    def apply(self, exchange: Exchange) -> None:
        exchange.pause(self.seconds)


@dataclass(frozen=True)
class DelayAnswer(Fault):
    """`seconds` pass when the server has begun to answer."""

    seconds: float

    def apply(self, exchange: Exchange) -> None:
        exchange.on_answer.append(lambda: exchange.pause(self.seconds))


@dataclass(frozen=True)
class NoAnswer(Fault):
    """Nothing comes, and the server is not asked, until the client goes (`Seen.given_up`). After `seconds` its
    connection is reset."""

    seconds: float

    def apply(self, exchange: Exchange) -> None:
        exchange.drain_request()
        exchange.await_departure(self.seconds)


@dataclass(frozen=True)
class DropAnswer(Fault):
    """The server answers to the end, and the client's connection is reset."""

    def apply(self, exchange: Exchange) -> None:
        exchange.instead_of_answer = Broken(reset=True)


@dataclass(frozen=True)
class ReplaceAnswer(Fault):
    """The server answers to the end, and the client is told something else."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def apply(self, exchange: Exchange) -> None:
        exchange.instead_of_answer = Reply(self.status, self.body, self.headers)


@dataclass(frozen=True)
class ChangeHeaders(Fault):
    """Other values for headers of the answer; None removes one."""

    headers: Mapping[str, str | None]

    def apply(self, exchange: Exchange) -> None:
        exchange.headers.update(self.headers)


@dataclass(frozen=True)
class CutRequest(Fault):
    """Both connections are reset when `after` bytes of the request's body have been forwarded."""

    after: int

    def apply(self, exchange: Exchange) -> None:
        exchange.request_body.at(self.after, lambda: _break(reset=True))


@dataclass(frozen=True)
class CutAnswer(Fault):
    """The client's connection ends when it has been sent `after` bytes of the answer's body."""

    after: int
    reset: bool = False

    def apply(self, exchange: Exchange) -> None:
        exchange.answer_body.at(self.after, lambda: _break(reset=self.reset))


@dataclass(frozen=True)
class StallAnswer(Fault):
    """Nothing comes for `seconds` after `after` bytes of the answer's body."""

    after: int
    seconds: float

    def apply(self, exchange: Exchange) -> None:
        exchange.answer_body.at(self.after, lambda: exchange.pause(self.seconds))


@dataclass(frozen=True)
class Corrupt(Fault):
    """One bit of the byte at offset `at` of the answer's body is flipped; with `request`, of the request's."""

    at: int
    request: bool = False

    def apply(self, exchange: Exchange) -> None:
        (exchange.request_body if self.request else exchange.answer_body).flip(self.at)


def _break(*, reset: bool) -> None:
    raise Broken(reset=reset)
