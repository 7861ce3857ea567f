"""The Swift API of a sink: auth version 1, objects, static large objects, lists. The limits that /info tells hold."""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
from dataclasses import dataclass
from typing import Any

from tests.support.sink.server import Handler, Operation, Sink

ACCOUNT = "/v1/AUTH_sink"
WHEN = "2026-01-01T00:00:00.000000"


@dataclass(frozen=True)
class SwiftObject:
    """What is kept of an object: its size in bytes, its ETag without quotes, the names of its segments."""

    size: int
    etag: str
    segments: tuple[str, ...] = ()


class SwiftSink(Sink):
    """`objects` by `container/object`, segments too. Operations: Auth, Info, HeadAccount, ListContainers, PutContainer,
    HeadContainer, ListObjects, PutObject, PutManifest, GetObject, GetManifest, HeadObject, DeleteObject and, with
    multipart-manifest=delete, DeleteSegments.

    `max_file_size` in bytes, `max_manifest_segments`: as Swift has them.
    """

    def __init__(self, *, max_file_size: int = 5 * 1024**3 + 2, max_manifest_segments: int = 1000) -> None:
        super().__init__()
        self.objects: dict[str, SwiftObject] = {}
        self.containers: set[str] = set()
        self.tokens: set[str] = set()
        self.max_file_size = max_file_size
        self.max_manifest_segments = max_manifest_segments

    @property
    def auth_url(self) -> str:
        """Where it gives tokens."""
        return f"{self.url}/auth/v1.0"

    def add(self, name: str, size: int) -> SwiftObject:
        """Makes an object up, and its container."""
        self.containers.add(name.partition("/")[0])
        self.objects[name] = SwiftObject(size, hashlib.md5(f"{name} {size}".encode()).hexdigest())
        return self.objects[name]

    def _serve(self, connection: socket.socket) -> None:
        _SwiftHandler(connection, self)


class _SwiftHandler(Handler[SwiftSink]):
    def route(self) -> Operation:
        path = f"/{self.path_parts}"
        if path == "/auth/v1.0":
            return "Auth", self._auth
        if path == "/info":
            return "Info", self._info
        if self.headers.get("X-Auth-Token") not in self.sink.tokens or not path.startswith(ACCOUNT):
            return "Unauthorized", self._unauthorized
        self.path_parts = path[len(ACCOUNT) :].strip("/")
        return self._object() if "/" in self.path_parts else self._container()

    def _object(self) -> Operation:
        manifest = self.query.get("multipart-manifest")
        choices: dict[str, Operation] = {
            "PUT": ("PutManifest", self._put_manifest) if manifest == "put" else ("PutObject", self._put),
            "GET": ("GetManifest", self._get_manifest) if manifest == "get" else ("GetObject", self._get),
            "HEAD": ("HeadObject", self._get),
            "DELETE": ("DeleteSegments", self._delete_all) if manifest == "delete" else ("DeleteObject", self._delete),
        }
        return choices.get(self.command, ("unknown", lambda: self.reply(501)))

    def _container(self) -> Operation:
        if not self.path_parts:
            return (
                ("HeadAccount", lambda: self.reply(204))
                if self.command == "HEAD"
                else ("ListContainers", self._list_all)
            )
        choices: dict[str, Operation] = {
            "PUT": ("PutContainer", self._put_container),
            "HEAD": ("HeadContainer", lambda: self.reply(204 if self.path_parts in self.sink.containers else 404)),
            "GET": ("ListObjects", self._list),
        }
        return choices.get(self.command, ("unknown", lambda: self.reply(501)))

    def _auth(self) -> None:
        token = secrets.token_hex(16)
        self.sink.tokens.add(token)
        self.sink.take_time(self.name)
        self.reply(200, X_Auth_Token=token, X_Storage_Url=f"http://{self.headers['Host']}{ACCOUNT}")

    def _info(self) -> None:
        limits = {"max_file_size": self.sink.max_file_size, "container_listing_limit": 10_000}
        slo = {
            "max_manifest_segments": self.sink.max_manifest_segments,
            "min_segment_size": 1,
            "max_manifest_size": 8 << 20,
        }
        self._json(200, {"swift": {"version": "2.38.3", **limits}, "slo": slo})

    def _unauthorized(self) -> None:
        self.measure()
        self.reply(401)

    def _put_container(self) -> None:
        self.read()
        known = self.path_parts in self.sink.containers
        self.sink.containers.add(self.path_parts)
        self.reply(202 if known else 201)

    def _put(self) -> None:
        body = self.measure()
        status = self._refusal()
        if body.size > self.sink.max_file_size:
            status = 413
        elif self.headers.get("ETag", body.etag).strip('"') != body.etag:
            status = 422
        if status is None:
            self.sink.objects[self.path_parts] = SwiftObject(body.size, body.etag)
            self.reply(201, Etag=body.etag)
        else:
            self.reply(status)

    def _put_manifest(self) -> None:
        listed = json.loads(self.read())
        status, wrong = self._refusal(), [entry["path"] for entry in listed if not self._is_right(entry)]
        if len(listed) > self.sink.max_manifest_segments:
            status = 413
        if status is not None or wrong:
            self.reply(status or 400, "\n".join(wrong).encode())
            return
        names = tuple(entry["path"].lstrip("/") for entry in listed)
        segments = [self.sink.objects[name] for name in names]
        etag = hashlib.md5("".join(segment.etag for segment in segments).encode()).hexdigest()
        self.sink.objects[self.path_parts] = SwiftObject(sum(segment.size for segment in segments), etag, names)
        self.reply(201, Etag=f'"{etag}"')

    def _is_right(self, entry: dict[str, Any]) -> bool:
        segment = self.sink.objects.get(entry["path"].lstrip("/"))
        if segment is None:
            return False
        size, etag = entry.get("size_bytes"), entry.get("etag")
        return size in (None, segment.size) and etag in (None, segment.etag)

    def _refusal(self) -> int | None:
        if self.path_parts.partition("/")[0] not in self.sink.containers:
            return 404
        taken = self.headers.get("If-None-Match") == "*" and self.path_parts in self.sink.objects
        return 412 if taken else None

    def _get(self) -> None:
        found = self.sink.objects.get(self.path_parts)
        if found is None:
            self.reply(404)
        elif self.headers.get("If-Match", found.etag).strip('"') != found.etag:
            self.reply(412)
        elif found.segments:
            self.reply_content(found.size, Etag=f'"{found.etag}"', X_Static_Large_Object="True")
        else:
            self.reply_content(found.size, Etag=found.etag)

    def _get_manifest(self) -> None:
        found = self.sink.objects.get(self.path_parts)
        if found is None:
            self.reply(404)
            return
        segments = [(name, self.sink.objects[name]) for name in found.segments]
        self._json(200, [{"name": f"/{name}", "bytes": made.size, "hash": made.etag} for name, made in segments])

    def _delete(self) -> None:
        gone = self.sink.objects.pop(self.path_parts, None)
        self.reply(204 if gone else 404)

    def _delete_all(self) -> None:
        found = self.sink.objects.pop(self.path_parts, None)
        names = found.segments if found else ()
        for name in names:
            self.sink.objects.pop(name, None)
        status, number = ("200 OK", len(names) + 1) if found else ("404 Not Found", 0)
        self._json(200, {
            "Response Status": status, "Response Body": "", "Number Deleted": number, "Errors": [],
            "Number Not Found": 0 if found else 1,
        })  # fmt: skip

    def _list(self) -> None:
        start = f"{self.path_parts}/{self.query.get('prefix', '')}"
        marker, limit = self.query.get("marker", ""), int(self.query.get("limit", 10_000))
        found = {name: made for name, made in self.sink.objects.items() if name.startswith(start)}
        entries = [
            {"name": name.partition("/")[2], "bytes": made.size, "hash": made.etag, "last_modified": WHEN}
            for name, made in sorted(found.items())
        ]
        self._json(200, [entry for entry in entries if str(entry["name"]) > marker][:limit])

    def _list_all(self) -> None:
        marker = self.query.get("marker", "")
        self._json(200, [{"name": name} for name in sorted(self.sink.containers) if name > marker])

    def _json(self, status: int, value: object) -> None:
        self.reply(status, json.dumps(value).encode(), Content_Type="application/json; charset=utf-8")
