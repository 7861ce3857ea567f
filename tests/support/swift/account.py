"""A bare client of one account of a Swift: a second pair of eyes, which knows nothing of the driver under test."""

from __future__ import annotations

import json
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgstore.driver.place import NOTES
from tests.support.client import Answer, send
from tests.support.waiting import until


@dataclass
class SwiftAccount:
    """An account and one of its users. Paths are `container`, or `container/object`, not quoted.

    For the S3 API the access key is `access_key`, the secret `key`; a bucket is a container.
    """

    name: str
    user: str
    key: str = field(repr=False)
    auth_url: str
    ca_file: Path | None = None
    storage_url: str = ""
    _token: str | None = field(default=None, repr=False)
    _containers: int = 0

    @property
    def login(self) -> str:
        """What auth version 1 calls the user."""
        return f"{self.name}:{self.user}"

    @property
    def access_key(self) -> str:
        """What the S3 API calls the user."""
        return self.login

    @property
    def token(self) -> str:
        """A token; the same each time, until `new_token`."""
        return self._token or self.new_token()

    def new_token(self) -> str:
        """A new token, and from now on the one that is used."""
        answer = self._send("GET", self.auth_url, {"X-Auth-User": self.login, "X-Auth-Key": self.key}, None)
        assert answer.status in (200, 204), answer
        self.storage_url = self.storage_url or answer.headers["x-storage-url"]
        self._token = answer.headers["x-auth-token"]
        return self._token

    def container(self, name: str | None = None) -> str:
        """A new container, which is a new bucket too; returns its name."""
        if name is None:
            self._containers += 1
            name = f"container-{self._containers}"
        answer = self.put(name)
        assert answer.status == 201, answer
        return name

    def set_container_quota(self, container: str, size: int | None) -> None:
        """At most so many bytes in a container; None for no limit."""
        answer = self.post(container, headers={"X-Container-Meta-Quota-Bytes": "" if size is None else str(size)})
        assert answer.status == 204, answer

    def used(self) -> int:
        """Bytes in the whole account, as its quota has them: up to date within half a second or so."""
        return int(self.head("").headers["x-account-bytes-used"])

    def wait_until_used(self, size: int) -> None:
        """Returns when so many bytes count against the account's quota."""
        until(lambda: self.used() == size)

    def containers(self) -> list[str]:
        """The names of all containers."""
        return [entry["name"] for entry in self._entries("")]

    def objects(self, container: str) -> dict[str, int]:
        """The names of all objects in a container, segments and parts too, and their sizes in bytes. What a store
        notes, which stays for good, is left out."""
        entries = self._entries(container)
        return {each["name"]: each["bytes"] for each in entries if each["name"].rpartition("/")[2] not in NOTES}

    def everything(self) -> set[str]:
        """`container/object` of all that is in the account.

        An upload by the S3 API that is under way is `<bucket>+segments/<key>/<upload>`, its parts `.../<number>`.
        """
        return {f"{container}/{name}" for container in self.containers() for name in self.objects(container)}

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, query: str = "") -> Answer:
        """GET."""
        return self.request("GET", path, headers=headers, query=query)

    def head(self, path: str) -> Answer:
        """HEAD."""
        return self.request("HEAD", path)

    def put(self, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None, query: str = "") -> Answer:
        """PUT of a container or an object."""
        return self.request("PUT", path, body=body, headers=headers, query=query)

    def post(self, path: str, *, headers: Mapping[str, str] | None = None, url: str = "") -> Answer:
        """POST: metadata; `url` of another account for a reseller's admin."""
        return self.request("POST", path, headers=headers, url=url)

    def delete(self, path: str, *, query: str = "") -> Answer:
        """DELETE."""
        return self.request("DELETE", path, query=query)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        url: str = "",
    ) -> Answer:
        """One request on a connection of its own, with the token."""
        token = self.token
        whole = f"{url or self.storage_url}/{urllib.parse.quote(path)}".removesuffix("/")
        sent = {"X-Auth-Token": token, **(headers or {})}
        return self._send(method, whole + (f"?{query}" if query else ""), sent, body)

    def _entries(self, container: str) -> Iterator[dict[str, Any]]:
        marker = ""
        while True:
            query = urllib.parse.urlencode({"format": "json", "marker": marker})
            answer = self.get(container, query=query)
            assert answer.status == 200, answer
            entries = json.loads(answer.body)
            if not entries:
                return
            yield from entries
            marker = entries[-1]["name"]

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        trust = None if self.ca_file is None else ssl.create_default_context(cafile=str(self.ca_file))
        return send(method, url, body=body, headers=headers, trust=trust)
