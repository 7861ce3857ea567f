"""Ceph for tests: its processes on free ports of 127.0.0.1, in one directory that goes with them."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.parse
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from tests.needs import needs_server
from tests.support.certificates import write_certificate
from tests.support.child import Child
from tests.support.client import Answer, send
from tests.support.rgw.launch import CEPH
from tests.support.rgw.settings import Ports, configuration
from tests.support.running import Running
from tests.support.swift import SwiftAccount

ADMIN = botocore.credentials.Credentials("ADMINKEY", "adminsecret")
"""What `launch.py` gives to the administrator."""
USER = "swift"
needs_rgw = needs_server("radosgw", why="a real Ceph stores by S3 and by Swift's API")


@dataclass
class RgwAccount(SwiftAccount):
    """A user of Ceph: an account of Swift's API, and keys of S3."""

    s3_key: str = field(default="", repr=False)

    @property
    def access_key(self) -> str:
        """What the S3 API calls the user."""
        return self.s3_key


class RgwServer(Running):
    """One Ceph; use it as a context manager. `url` and `tls_url`: where its gateway listens; `ca_file`: what a client
    must trust for the latter; `conf`: the cluster's ceph.conf."""

    def __init__(self) -> None:
        self.url = self.tls_url = ""
        self.ca_file = self.conf = Path("/")
        self._numbers = itertools.count(1)
        self._stack = contextlib.ExitStack()

    @property
    def auth_url(self) -> str:
        """Where it gives tokens, by version 1 of the protocol."""
        return f"{self.url}/auth/v1.0"

    def account(self) -> RgwAccount:
        """An account that nobody has used."""
        name, key = f"user{next(self._numbers)}", secrets.token_hex(8)
        uid = f"{name}${name}"  # in a tenant of its own, since the names of containers are a tenant's
        access_key = f"{name}key".upper()
        keys = {"access-key": access_key, "secret-key": key}
        self._administer({"uid": uid, "display-name": name, "key-type": "s3", **keys})
        swift = {"subuser": f"{uid}:{USER}", "access": "full", "key-type": "swift", "secret-key": key}
        self._administer({"uid": uid, **swift})
        return RgwAccount(name=uid, user=USER, key=key, auth_url=self.auth_url, s3_key=access_key)

    def start(self) -> None:
        """Starts the processes and waits until the gateway answers."""
        root = Path(tempfile.mkdtemp(prefix="imgstore-rgw-"))
        self._stack.callback(shutil.rmtree, root, ignore_errors=True)
        files = write_certificate(root)
        self.ca_file, both = files[0], root / "both.pem"
        both.write_bytes(files[0].read_bytes() + files[1].read_bytes())
        ports = Ports(*_free_ports(5))
        (root / "keyring").touch()
        self.conf = root / "ceph.conf"
        self.conf.write_text(configuration(root, ports, str(uuid.uuid4()), both))
        script = Path(__file__).with_name("launch.py")
        arguments = (script, str(root), str(ports.gateway))
        self._stack.enter_context(Child(*arguments, name="rgw", root=root, python=Path(sys.executable)))
        self.url, self.tls_url = f"http://127.0.0.1:{ports.gateway}", f"https://127.0.0.1:{ports.tls}"

    def stop(self) -> None:
        self._stack.close()

    def make_pool(self, name: str) -> None:
        """A pool of RADOS, unless it is there."""
        for words in (("osd", "pool", "create", name, "8"), ("osd", "pool", "application", "enable", name, "rbd")):
            subprocess.run([*CEPH, *words, "-c", str(self.conf)], check=True, capture_output=True)

    def _administer(self, query: dict[str, str]) -> Answer:
        """PUT of a user, or of a subuser of one, signed as the administrator."""
        url = f"{self.url}/admin/user?{urllib.parse.urlencode(query)}"
        request = botocore.awsrequest.AWSRequest("PUT", url, data=b"")
        botocore.auth.S3SigV4Auth(ADMIN, "s3", "us-east-1").add_auth(request)
        answer = send("PUT", url, body=b"", headers=dict(request.headers))
        assert answer.status == 200, answer
        return answer


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
