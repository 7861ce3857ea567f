"""No secrets: what a server sends on a connection of TLS is encrypted, whoever ends the connection meanwhile."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgstore.service.server.shutdown import OpenConnections
from imgstore.service.server.tls import TLSAdapter, tls_context
from tests.support.certificates import write_certificate

IMAGE = b"data of an image" * 100
Ending = Callable[[ssl.SSLSocket], object]


class Accepted:
    """A connection as `cut` knows it."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.socket = sock


def cut(sock: ssl.SSLSocket) -> None:
    """As at the end of the grace period."""
    connections, accepted = OpenConnections(), Accepted(sock)
    connections.add(accepted)
    connections.cut()


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[ssl.SSLSocket, socket.socket]]:
    """The server's end after the handshake, and the wire."""
    files = [str(file) for file in write_certificate(tmp_path)]
    near, far = socket.socketpair()
    far.settimeout(30)
    server, _ = TLSAdapter(tls_context(*files)).wrap(near)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=files[0]).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    thread = threading.Thread(target=server.do_handshake)
    thread.start()
    while True:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            far.sendall(outgoing.read())
            incoming.write(far.recv(65536))
        else:
            break
    far.sendall(outgoing.read())
    thread.join()
    with server, far:
        yield server, far


def read_side(sock: ssl.SSLSocket) -> None:
    """As cheroot does when it stops."""
    sock.shutdown(socket.SHUT_RD)


@pytest.mark.parametrize("end", [read_side, cut])
def test_no_secrets_while_a_connection_is_ended(
    ends: tuple[ssl.SSLSocket, socket.socket], end: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread sends just before the system ends the connection, and goes on afterwards."""
    server, wire = ends
    real, wired = socket.socket.shutdown, bytearray()

    def send_before(sock: socket.socket, how: int) -> None:
        server.sendall(IMAGE)
        real(sock, how)

    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "shutdown", send_before)
        end(server)
    try:
        server.sendall(IMAGE)
    except OSError:
        assert end is cut
    server.close()
    while data := wire.recv(65536):
        wired += data
    assert len(wired) > len(IMAGE)
    assert IMAGE[:16] not in wired
