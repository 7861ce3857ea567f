"""TLS for the server: cheroot's adapter, with a handshake that nobody waits for.

Cheroot's own adapters wait for it on the thread that accepts connections: a client that connects and says nothing would
keep everybody else out. Here it is made as its bytes come, before the first head (`heads`, contained).
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

from cheroot.makefile import MakeFile
from cheroot.ssl import Adapter


def tls_context(certificate: str, key: str, ciphers: str | None = None) -> ssl.SSLContext:
    """The context of a server that offers TLS 1.2 and later. Raises OSError for unusable files, ValueError for unknown
    ciphers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key, password=_no_passphrase)
    if ciphers:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError as error:
            raise ValueError("no cipher of that name") from error
    return context


def _no_passphrase() -> str:
    """Called for a key with a passphrase, instead of asking at the terminal."""
    return ""


class TLSSocket(ssl.SSLSocket):
    """A connection that never leaves TLS (no secrets)."""

    def shutdown(self, how: int) -> None:
        """Ends directions of the connection itself. That of `ssl` forgets the state of TLS before: a thread that sends
        at that moment, or after only the reading was ended (as cheroot does when it stops), would send plain text."""
        socket.socket.shutdown(self, how)


class TLSAdapter(Adapter):
    """TLS as cheroot's server wants it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.renew(context)

    def renew(self, context: ssl.SSLContext) -> None:
        """Connections that come from now on get this context; the others keep theirs."""
        context.sslsocket_class = TLSSocket
        self.context = context

    def bind(self, sock: Any) -> Any:
        """Changes nothing: connections are wrapped one by one."""
        return sock

    def wrap(self, sock: Any) -> tuple[ssl.SSLSocket, dict[str, Any]]:
        """Wraps a connection, before its handshake."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, self.get_environ()

    def get_environ(self) -> dict[str, Any]:
        """The additions to every request's environ."""
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: Any, mode: str = "r", bufsize: int = -1) -> Any:
        """The connection as cheroot reads and writes its heads."""
        return MakeFile(sock, mode, bufsize)
