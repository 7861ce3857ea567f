"""The drivers of glance_store, as its entry points name them: `imgstore_file`, `imgstore_s3`, `imgstore_swift`, and
`imgstore` for any driver of imgstore.

Glance makes one object of a class for each backend, and uses it from all its threads. Nothing is done when it is made,
since glance_store goes on without a driver that fails then. `configure` raises what cannot work, and Glance does not
start.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from typing import Any, ClassVar

from glance_store import capabilities, driver, exceptions, location

from imgstore import errors
from imgstore.glance import answers
from imgstore.glance.backend import Backend, backend, driver_name
from imgstore.glance.transfer import Download
from imgstore.transfers import digests

_Bits = capabilities.BitMasks


class StoreLocation(location.StoreLocation):
    """The URL of an object. Its driver reads it; glance_store's own drivers can read it too."""

    def parse_uri(self, uri: str) -> None:
        """Keeps the URL."""
        self.uri = uri

    def get_uri(self) -> str:
        """The URL."""
        return self.uri


class Store(driver.Store):
    """A backend of Glance that is a store of imgstore, whatever its driver: `[<identifier>] driver` names it.

    `OPTIONS` is None, since glance_store registers those of all installed drivers in one section, where two of the same
    name stop Glance; `configure` registers this store's own in its own section.
    """

    OPTIONS = None
    NAME: ClassVar[str] = "imgstore"
    DRIVER: ClassVar[str | None] = None
    SCHEMES: ClassVar[Sequence[str]] = ()
    _CAPABILITIES = _Bits.READ_RANDOM | _Bits.WRITE_ACCESS | _Bits.DRIVER_REUSABLE

    def __init__(self, conf: Any, backend: str | None = None) -> None:
        super().__init__(conf, backend)
        if backend is not None:
            conf.register_opts(self.MULTI_BACKEND_OPTIONS, group=backend)

    def get_schemes(self) -> tuple[str, ...]:
        """Its own name, without which Glance would not find it again, and those of its URLs."""
        with answers.configuring():
            schemes = self.SCHEMES or (self._backend.url_prefix.partition("://")[0],)
        return tuple(dict.fromkeys((self.NAME, *schemes)))

    def get_store_location_class(self) -> type[StoreLocation]:
        """The class of its locations."""
        return StoreLocation

    def configure(self, re_raise_bsc: bool = False) -> None:
        """Raises BadStoreConfiguration, whatever `re_raise_bsc` says: a store that cannot work stops the start."""
        self.configure_add()
        self.update_capabilities()

    def configure_add(self) -> None:
        """Makes the store ready. Raises BadStoreConfiguration."""
        with answers.configuring():
            self._backend.begin(_beside(self))
        _CONFIGURED.add(self)

    def update_capabilities(self) -> None:
        """They are what they are."""

    @property
    def url_prefix(self) -> str:
        """How the URLs of its objects begin."""
        return self._backend.url_prefix

    @driver.back_compat_add
    @capabilities.check
    def add(
        self, image_id: str, image_file: Any, image_size: int | None, hashing_algo: str, context: object = None,
        verifier: Any = None,
    ) -> tuple[str, int, str, str, dict[str, str]]:  # fmt: skip
        """Stores an image. An `image_size` of 0 is an unknown size."""
        if not digests.supported(hashing_algo):
            raise exceptions.UnknownHashingAlgo(algo=hashing_algo)
        with answers.adding():
            done = self._backend.add(
                image_id, image_file, size=image_size or None, algorithm=hashing_algo, verifier=verifier,
                context=context,
            )  # fmt: skip
        return done.url, done.size, done.checksum, done.multihash, {"store": self.backend_group}

    @capabilities.check
    def get(
        self, location: location.Location, offset: int = 0, chunk_size: int | None = None, context: object = None
    ) -> tuple[Body, int]:
        """`chunk_size` bytes (None: all) of the object from `offset` on, as an iterable, and how many they are."""
        with answers.reading():
            found = self._backend.open(_url(location), start=offset, length=chunk_size, context=context)
        return Body(found), found.length

    def get_size(self, location: location.Location, context: object = None) -> int:
        """Bytes of the object."""
        with answers.asking():
            return self._backend.size(_url(location), context=context)

    @capabilities.check
    def delete(self, location: location.Location, context: object = None) -> None:
        """Removes the object."""
        with answers.deleting():
            self._backend.delete(_url(location), context=context)

    def set_acls(
        self, location: location.Location, public: bool = False, read_tenants: Sequence[str] | None = None,
        write_tenants: Sequence[str] | None = None, context: object = None,
    ) -> None:  # fmt: skip
        """Who may read the object in the storage itself. Raises NotImplementedError where storage knows of nobody."""
        with answers.asking():
            if not self._backend.share(_url(location), public=public, readers=read_tenants or (), context=context):
                raise NotImplementedError

    @functools.cached_property
    def _backend(self) -> Backend:
        if self.backend_group is None:
            raise errors.ConfigurationError(
                "is not set.", section="DEFAULT", option="enabled_backends", cure=f"Name it: 'fast:{self.NAME}'."
            )
        name = self.DRIVER or driver_name(self.conf, self.backend_group)
        return backend(self.conf, self.backend_group, driver=name, stores=len(self.conf.enabled_backends))


class FileStore(Store):
    """`imgstore_file`: files in a directory."""

    NAME, DRIVER, SCHEMES = "imgstore_file", "filesystem", ("file", "filesystem")


class S3Store(Store):
    """`imgstore_s3`: objects in a bucket."""

    NAME, DRIVER, SCHEMES = "imgstore_s3", "s3", ("s3", "s3+http", "s3+https")


class SwiftStore(Store):
    """`imgstore_swift`: objects in a container."""

    NAME, DRIVER = "imgstore_swift", "swift"
    SCHEMES = ("swift", "swift+http", "swift+https", "swift+config")


class Body:
    """What `get` gives: iterate over it once. A failure in the middle is raised; it never ends short."""

    def __init__(self, download: Download) -> None:
        self._download = download

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        with answers.reading():
            return next(self._download)

    def close(self) -> None:
        """Gives it up."""
        with answers.reading():
            self._download.close()


def _url(location: location.Location) -> str:
    url: str = location.get_store_uri()
    return url


_CONFIGURED: weakref.WeakSet[Store] = weakref.WeakSet()


def _beside(store: Store) -> list[Backend]:
    """The other stores of the same Glance."""
    return [
        other._backend
        for other in list(_CONFIGURED)
        if other.conf is store.conf and other.backend_group != store.backend_group
    ]
