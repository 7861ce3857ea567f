"""The folder of a bucket as a place: which it is, whatever URL leads there, and the mark in it.

Two URLs may lead to one server in ways that nobody can see: an address and a name, two gateways. `place_of` knows the
plain ways, and the mark tells the rest: the second store meets the mark of the first.

A folder in another store's folder would be a place in a place. So nothing is marked below a mark, as far as the keys
may look there, nor above one that a few requests show.
"""

from __future__ import annotations

import contextlib
from collections import deque
from urllib.parse import urlsplit

from imgstore import errors
from imgstore.driver.options import bad
from imgstore.driver.place import EPOCH_NAME, LONGEST, MARK_NAME, epoch_in, mark_in, text_of, text_of_epoch
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3 import versions
from imgstore.drivers.s3.integrity import Sum, md5
from imgstore.drivers.s3.options import S3Options
from imgstore.drivers.s3.refusals import Refusals
from imgstore.drivers.s3.requests import Requests
from imgstore.drivers.s3.server_traits import ABSENT
from imgstore.drivers.s3.urls import AMAZON
from imgstore.model import Place

KIND = "s3"
MOST_FOLDERS = 32
"""Folders below a new place that are looked at, a request each."""
_CONFLICT = 409
_CHINA = ".cn"


def place_of(options: S3Options) -> Place:
    """The place that the options lead to. But at Amazon, accounts may have buckets of one name, so who asks is part of
    it; that two keys are of one account, the mark tells."""
    server = _server(options)
    name = f"{server}/{options.bucket}/{options.folder}".rstrip("/")
    who = "" if server.startswith(AMAZON) else options.access_key or ""
    return Place(KIND, (server, who, options.bucket), _path(options), name)


def read_mark(requests: Requests) -> str | None:
    """The mark in the folder; None for none, and where there is no bucket. Raises StoreUnavailable."""
    try:
        return mark_in(_note(requests, MARK_NAME))
    except (errors.ObjectNotFound, errors.WrongPlace):
        return None


def read_epoch(requests: Requests) -> int:
    """The epoch in the folder; 0 for none. Raises StoreUnavailable."""
    try:
        return epoch_in(_note(requests, EPOCH_NAME))
    except errors.ObjectNotFound:
        return 0


def write_epoch(requests: Requests, epoch: int) -> None:
    """Notes it in place of another, of which a bucket that keeps versions keeps none. Raises StoreError."""
    text = memoryview(text_of_epoch(epoch))
    answer = requests.put_object(EPOCH_NAME, KIND, text, [Sum("md5", md5(text)).extra])
    if answer.get("VersionId") is not None:
        versions.remove_older(requests, EPOCH_NAME)


def _note(requests: Requests, name: str) -> bytes:
    """What is in a small object, as far as it may be a note. Raises ObjectNotFound, StoreUnavailable."""
    answer, body = requests.get_object(name)
    with contextlib.closing(body):
        return bytes(body.read()) if answer["ContentLength"] <= LONGEST else b""


class PlaceMark:
    """Writes the mark of one store."""

    def __init__(self, options: S3Options, requests: Requests) -> None:
        self._options = options
        self._requests = requests
        self._needs = Refusals(options).needs

    def write(self, mark: str, *, replace: bool) -> str:
        """Creates the bucket where it is missing and may be created, and leaves `mark` in the folder unless it has one.
        `replace`: creates nothing, and puts it in the place of any. Returns what the folder has then. Raises
        ConfigurationError, StoreError."""
        if not replace:
            self._make_bucket()
        found = self._read()
        if found is None or replace:
            self._refuse_neighbours()
            self._put(mark, replace=replace)
            found = self._read()
        if found is None:
            raise errors.WrongPlace(f"What has the name {MARK_NAME} in the bucket is not a mark.")
        return found

    def _make_bucket(self) -> None:
        with self._needs("s3:CreateBucket"):
            try:
                self._requests.head_bucket()
            except errors.WrongPlace:
                if not self._options.create_bucket:
                    raise bad("bucket", "It does not exist.", "Create it, or set create_bucket = true.") from None
                self._requests.create_bucket()

    def _read(self) -> str | None:
        with self._needs("s3:GetObject"):
            return read_mark(self._requests)

    def _put(self, mark: str, *, replace: bool) -> None:
        """If somebody else is first, theirs stays, as far as the server compares."""
        text = memoryview(text_of(mark))
        extras = [Sum("md5", md5(text)).extra, *([] if replace else [ABSENT])]
        with self._needs("s3:PutObject"):
            try:
                self._requests.put_object(MARK_NAME, KIND, text, extras)
            except errors.StoreError as error:
                if not isinstance(error, errors.ObjectExists) and s3_errors.status_of(error) != _CONFLICT:
                    raise

    def _refuse_neighbours(self) -> None:
        """Raises ConfigurationError if a store is in a folder above, or in one of the first folders below."""
        path = _path(self._options)
        above = ["".join(f"{name}/" for name in path[:depth]) for depth in range(len(path))]
        with self._needs("s3:ListBucket"):
            marked = next((folder for folder in above if self._is_marked(folder)), None)
            neighbour = self._marked_below() if marked is None else marked
        if neighbour is not None:
            raise bad(
                "prefix",
                f"Another store is in {neighbour or 'the top folder'} of the bucket, so one would lie in the other.",
                f"Give each a folder of its own. If no store is there any more, remove {neighbour}{MARK_NAME}.",
            )

    def _is_marked(self, folder: str) -> bool:
        """Keys for the own folder alone may not look above it: then another's keys are needed there, too."""
        try:
            return read_mark(self._requests.elsewhere(folder)) is not None
        except errors.StoreError as error:
            if not s3_errors.denied(error):
                raise
            return False

    def _marked_below(self) -> str | None:
        """The nearest folders first."""
        waiting = deque(self._requests.first_names()[1])
        for _ in range(MOST_FOLDERS):
            if not waiting:
                break
            folder = waiting.popleft()
            names, below = self._requests.elsewhere(folder).first_names()
            if MARK_NAME in names:
                return folder
            waiting += below
        return None


def _path(options: S3Options) -> tuple[str, ...]:
    return tuple(options.folder.split("/")[:-1])


def _server(options: S3Options) -> str:
    """The server, with TLS or without. Buckets at Amazon have one name for all regions, but not the same one in
    China."""
    if options.server_url is None:
        return AMAZON + (_CHINA if (options.region or "").startswith("cn-") else "")
    parts = urlsplit(options.server_url)
    host = (parts.hostname or "").rstrip(".")
    for end in ("", _CHINA):
        if host.endswith(f".amazonaws.com{end}"):
            return AMAZON + end
    port = "" if parts.port in {None, 80, 443} else f":{parts.port}"
    return f"{host}{port}{parts.path}"
