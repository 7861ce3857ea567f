"""Where the stores of a service that is killed keep their data: one class for each kind, all looked into from outside.

A place gives what the service's configuration must say, and `names`: everything that is physically in its stores, an
object by its key. One more kind of storage is one more class here.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from imgstore.driver.place import NOTES
from tests.s3.places import Place as S3Place
from tests.support.packages import install
from tests.support.service import STORES, Options
from tests.swift.subject import CONTAINER, SEGMENTS
from tests.swift.world import World

ROOT = Path(__file__).parents[2]


class Place(ABC):
    """The stores `fast` and `slow`. `large`: bytes of an image that is not sent or written in one piece."""

    large: int

    @abstractmethod
    def options(self) -> Options:
        """What the configuration says of the stores."""

    @abstractmethod
    def names(self) -> set[str]:
        """Everything in the stores: objects by their keys, anything else by another name."""

    def environment(self) -> Mapping[str, str]:
        """What the service's process needs besides."""
        return {}


class Filesystem(Place):
    """Files without a name until commit, where the filesystem knows such."""

    driver = "filesystem"
    large = 6_000_000

    def __init__(self, root: Path) -> None:
        self._root = root
        self._datadirs = [root / store for store in STORES]

    def options(self) -> Options:
        enabled = ", ".join(f"{store}:{self.driver}" for store in STORES)
        return {"imgstore": {"enabled_stores": enabled}}

    def names(self) -> set[str]:
        found = {name for datadir in self._datadirs if datadir.exists() for name in os.listdir(datadir)}
        return found - set(NOTES)


class Named(Filesystem):
    """Files with a hidden name, as on a filesystem that knows no others. `points`: entry points of its driver."""

    driver = "named"
    points = ("named = tests.cli.drivers:NamedDriver",)

    def environment(self) -> Mapping[str, str]:
        site = self._root / "site"
        if not site.exists():
            install(site, "crash-test-drivers", entry_points=self.points)
        return {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}


class Gated(Named):
    """Files whose commit waits at a gate, in the store `fast`."""

    driver = "gated"
    points = ("gated = tests.cli.drivers:GatedDriver",)


class S3(Place):
    """Two buckets; `places` are of the tests of the S3 driver."""

    def __init__(self, places: Mapping[str, S3Place]) -> None:
        self._places = places
        self.large = 4 * next(iter(places.values())).part
        for place in places.values():
            place.watched = False

    def options(self) -> Options:
        enabled = ", ".join(f"{store}:s3" for store in STORES)
        sections = {
            store: {"datadir": None, **{name: value for name, value in place.options.items() if value}}
            for store, place in self._places.items()
        }
        return {"imgstore": {"enabled_stores": enabled}, **sections}

    def names(self) -> set[str]:
        return {name for place in self._places.values() for name in place.names()} - set(NOTES)


class Swift(Place):
    """Two accounts; `worlds` are of the tests of the Swift driver."""

    segment = 65536
    large = 4 * segment

    def __init__(self, worlds: Mapping[str, World]) -> None:
        self._worlds = worlds

    def options(self) -> Options:
        enabled = ", ".join(f"{store}:swift" for store in STORES)
        sections = {
            store: {"datadir": None, **world.options(segment_size=self.segment)}
            for store, world in self._worlds.items()
        }
        return {"imgstore": {"enabled_stores": enabled}, **sections}

    def names(self) -> set[str]:
        return {name for world in self._worlds.values() for name in _names_in(world)}


def _names_in(world: World) -> set[str]:
    if CONTAINER not in world.account.containers():
        return set()
    objects = set(world.account.objects(CONTAINER))
    owned = {segment for key in objects for segment in world.segments_of(key)}
    return objects | {f"segment {name}" for name in world.segments() if f"{SEGMENTS}/{name}" not in owned}
