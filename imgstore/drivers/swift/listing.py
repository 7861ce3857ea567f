"""The objects in containers, as `imgstore ls` and a comparison with the catalog want them.

A listing shows a dynamic large object as empty, and its segments beside it where glance_store put them: the empty ones
are looked up, and what a manifest calls its segments is no object. What is not a key is none either.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgstore import errors
from imgstore.driver.base import check_key
from imgstore.drivers.swift.account import Account, Entry
from imgstore.drivers.swift.containers import Containers
from imgstore.drivers.swift.dynamic_objects import described, is_dynamic
from imgstore.model import ObjectInfo


def objects(account: Account, containers: Containers) -> Iterator[ObjectInfo]:
    """Every object of every container. One that is missing, where it is created when first used, has none."""
    for container in list(containers.all()):
        try:
            yield from _objects_in(account, containers, container)
        except errors.ObjectNotFound:
            containers.expect("0")


def _objects_in(account: Account, containers: Containers, container: str) -> Iterator[ObjectInfo]:
    segments: str | None = None
    for entry in account.objects(container):
        if not _is_key(entry.name) or containers.of(entry.name) != container:
            continue
        if segments is not None and entry.name.startswith(segments):
            continue
        if entry.size:
            yield ObjectInfo(entry.name, entry.size, entry.etag, entry.modified)
            continue
        found = _looked_up(account, container, entry)
        if found is not None:
            info, segments = found
            yield info


def _looked_up(account: Account, container: str, entry: Entry) -> tuple[ObjectInfo, str | None] | None:
    """What an entry without bytes is, and how the names of its segments begin, if they are in the same container."""
    path = (container, entry.name)
    try:
        headers = account.head(path)
        info = described(account, path, headers)
    except errors.ObjectNotFound:
        return None
    where, _, prefix = headers.get("x-object-manifest", "").partition("/")
    return info, prefix if is_dynamic(headers) and where == container and prefix else None


def _is_key(name: str) -> bool:
    try:
        check_key(name)
    except errors.InvalidKey:
        return False
    return True
