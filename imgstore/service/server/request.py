"""One HTTP/1.1 request, more strictly than in plain cheroot:

* Ambiguous framing is refused with 400 before the application runs, and so is a request of HTTP/1.1 without a host.
* A target may have the absolute form, `http://host/path`; the host in it then counts, as RFC 9112 wants it.
* Starting a response while the body is unread closes the connection.
* `wsgi.input` is `body.Body`, which never ends early in silence.
"""

from __future__ import annotations

import io
import logging
import re
import ssl
import urllib.parse
from typing import Any, Final

from cheroot.server import HTTPRequest

from imgstore.file_spans import FileSpan
from imgstore.service.server.body import Body, IncompleteBody, MalformedBody
from imgstore.service.server.heads import last_answer

LOG = logging.getLogger(__name__)

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET: Final = re.compile(rb"[!-~]+")
_ABSOLUTE: Final = re.compile(rb"https?://[^/?#@]+(?:[/?].*)?", re.IGNORECASE)
_HOST: Final = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")
_PROTOCOLS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
_WITH_BODY: Final = frozenset({b"PUT", b"POST", b"PATCH"})
_ONCE: Final = frozenset({b"Content-Length", b"Transfer-Encoding", b"Host", b"Expect", b"Content-Type"})


def _parse_header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    value = value.strip(b" \t\r\n")
    if not line.endswith(b"\r\n") or not colon or not _TOKEN.fullmatch(name) or re.search(rb"[\0\r\n]", value):
        raise ValueError("Malformed header line.")
    return name.title(), value


def _connection_option(value: bytes) -> bytes:
    """What a Connection header says of the connection's end, in the one spelling that cheroot knows."""
    options = {option.strip(b" \t").lower() for option in value.split(b",")}
    if b"close" in options:
        return b"close"
    return b"Keep-Alive" if b"keep-alive" in options else b""


class Request(HTTPRequest):
    """One request, on the thread that serves its connection."""

    body: Body | None = None

    def __init__(self, server: Any, conn: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, conn, *args, **{**kwargs, "proxy_mode": True})  # it refuses the absolute form else
        self._expect = b""
        self._out_left: int | None = None

    def read_request_line(self) -> bool:
        try:
            if not super().read_request_line():  # type: ignore[no-untyped-call]
                return False
        except ValueError:  # an authority that cannot be one
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False
        if self.method == b"CONNECT":
            self.simple_response("405 Method Not Allowed")
            return False
        if not _TARGET.fullmatch(self.uri) or self.request_protocol not in _PROTOCOLS or not self._has_known_form():
            self.simple_response("400 Bad Request", "Malformed Request-Line")
            return False
        return True

    def _has_known_form(self) -> bool:
        """Whether the target is a path or an absolute URL; `//host/path` is neither."""
        if not (absolute := _ABSOLUTE.fullmatch(self.uri)):
            return self.uri == b"*" or (self.uri.startswith(b"/") and not self.uri.startswith(b"//"))
        self.scheme = b"http" if self.server.ssl_adapter is None else b"https"  # what it is, not what the client says
        if self.method == b"OPTIONS":
            self.path = urllib.parse.urlsplit(absolute[0]).path or b"/"
        return True

    def header_reader(self, rfile: Any, headers: dict[bytes, bytes]) -> None:
        """As cheroot calls it, which has an object here. One in the instance would refer to it (freed at once)."""
        while (line := rfile.readline()) != b"\r\n":
            name, value = _parse_header(line)
            if b"_" in name:
                continue  # the environ cannot tell it from a dash
            if name in headers:
                if name in _ONCE:
                    raise ValueError("Repeated header.")
                value = headers[name] + b", " + value
            headers[name] = value
        self._check_framing(headers)
        self._check_host(headers)
        headers[b"Connection"] = _connection_option(headers.pop(b"Connection", b""))
        # Out of cheroot's sight, which would answer it at once.
        self._expect = headers.pop(b"Expect", b"").lower()

    def _check_framing(self, headers: dict[bytes, bytes]) -> None:
        length, coding = headers.get(b"Content-Length"), headers.get(b"Transfer-Encoding")
        if length is not None and not (length.isdigit() and len(length) < 19):
            raise ValueError("Malformed Content-Length.")
        if coding is not None and (length is not None or self.response_protocol != "HTTP/1.1"):
            raise ValueError("Ambiguous message framing.")

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        if self.request_protocol == b"HTTP/1.1" and b"Host" not in headers:
            raise ValueError("A request of HTTP/1.1 needs a Host header.")
        for host in (headers.get(b"Host", b""), self.authority):
            if not _HOST.fullmatch(host):
                raise ValueError("Malformed host.")
        if self.authority:
            headers[b"Host"] = self.authority

    def read_request_headers(self) -> bool:
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        coding = self.inheaders.get(b"Transfer-Encoding")
        if coding is not None and coding.lower() != b"chunked":
            self.simple_response("501 Not Implemented")
            return False
        if self._expect not in (b"", b"100-continue"):
            self.simple_response("417 Expectation Failed")
            return False
        if self._has_unframed_body():
            self.simple_response("411 Length Required")
            return False
        return True

    def _has_unframed_body(self) -> bool:
        """Whether the body ends with the connection, as HTTP/1.0 lets it: whole and cut short look the same then."""
        has_body = self.method in _WITH_BODY and self.request_protocol == b"HTTP/1.0"
        return has_body and b"Content-Length" not in self.inheaders

    def respond(self) -> None:
        length = None if self.chunked_read else int(self.inheaders.get(b"Content-Length", 0))
        expects = bool(self._expect) and self.response_protocol == "HTTP/1.1"
        self.body = Body(self.conn, length, expects)
        self.rfile = io.BufferedReader(self.body, 1 << 16)
        try:
            self.server.gateway(self).respond()
        except TimeoutError:
            self._give_up("408 Request Timeout")
        except (MalformedBody, IncompleteBody):
            self._give_up("400 Bad Request")
        except ssl.SSLError as error:  # a client that went away, as a reset is without TLS
            LOG.info("TLS with %s broke: %s", self.conn.remote_addr, error)
            self.close_connection = True
        else:
            if self.chunked_write:
                self.conn.send_all(b"0\r\n\r\n")
            if self._out_left:
                self.close_connection = True  # the application sent too little
        if not self.body.complete:
            self.close_connection = True

    def _give_up(self, status: str) -> None:
        self.close_connection = True
        if not self.sent_headers:
            self.simple_response(status)

    def simple_response(self, status: str, msg: str = "") -> None:
        """Answers instead of the application, and closes the connection."""
        self.sent_headers = self.close_connection = self.conn.lingering = True
        self._out_left = 0  # whatever the application may still write is dropped
        self.conn.send_all(last_answer(status, msg))

    def send_headers(self) -> None:
        if self.body is not None and not self.body.complete:
            self.close_connection = self.conn.lingering = True
            self.body.withhold_continue()
        for name, value in self.outheaders:
            if name.lower() == b"content-length":
                self._out_left = 0 if self.method == b"HEAD" else int(value)
        super().send_headers()

    def write_span(self, span: FileSpan) -> None:
        """Sends a span of a file as far as it can be sent; nothing where the answer's length is not known."""
        self.ensure_headers_sent()
        if self._out_left is not None and span.size <= self._out_left:
            self.conn.send_file(span)
            self._out_left -= span.sent

    def write(self, chunk: bytes) -> None:
        status: Any = self.status  # bytes, whatever the stub says
        if self.method == b"HEAD" or status[:3] in (b"204", b"304") or not chunk:
            return
        if self._out_left is not None:
            chunk = chunk[: self._out_left]
            self._out_left -= len(chunk)
        if self.chunked_write:
            self.conn.send_all(b"%x\r\n" % len(chunk))
            self.conn.send_all(chunk)
            self.conn.send_all(b"\r\n")
        else:
            self.conn.send_all(chunk)
