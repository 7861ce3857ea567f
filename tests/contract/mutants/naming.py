"""Drivers that mix up keys, or take names that are not theirs."""

from __future__ import annotations

import contextlib
import re
from urllib.parse import unquote, urlsplit

from imgstore import errors
from imgstore.driver import ObjectReader, ObjectWriter
from imgstore.drivers.memory import URL_PREFIX
from imgstore.model import ObjectInfo
from tests.contract.mutants.base import Mutant, MutantWriter, caught_by, patched


@caught_by("test_good_keys_are_objects_of_their_own")
class IgnoresCase(Mutant):
    class WRITER(MutantWriter):
        def _commit(self) -> ObjectInfo:
            info = self.mutant_storage.create(self.key.lower(), self.joined)
            return ObjectInfo(self.key, info.size, info.etag)

    def _stat(self, key: str) -> ObjectInfo:
        return super()._stat(key.lower())

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return super()._open_reader(key.lower(), start, stop, etag)


@caught_by("test_hostile_key_is_refused_by_every_method")
class MakesAUrlOfAnything(Mutant):
    def url(self, key: str) -> str:
        return f"{URL_PREFIX}{key}"


def _open_anything(self: Mutant, key: str, *, size: int | None = None, limit: int | None = None) -> ObjectWriter:
    return self._open_writer(key, size)


@caught_by("test_hostile_key_is_refused_by_every_method")
@patched(open_writer=_open_anything)
class WritesWhateverKey(Mutant):
    pass


@caught_by("test_url_leads_back_to_its_key")
class LowersUrls(Mutant):
    def url(self, key: str) -> str:
        return super().url(key).lower()


@caught_by("test_url_has_a_scheme_and_is_plain")
class UrlIsAPath(Mutant):
    def url(self, key: str) -> str:
        return f"/{key}"


@caught_by("test_url_is_the_same_whether_the_object_is_there")
class UrlHoldsTheEtag(Mutant):
    def url(self, key: str) -> str:
        with contextlib.suppress(errors.ObjectNotFound):
            return f"{super().url(key)}?etag={self._stat(key).etag}"
        return super().url(key)


@caught_by("test_hostile_url_is_refused")
class TakesTheLastPartOfAnyUrl(Mutant):
    def key_from_url(self, url: str) -> str:
        return super().key_from_url(URL_PREFIX + urlsplit(url).path.rsplit("/", 1)[-1])


@caught_by("test_credential_in_a_url_is_refused_or_ignored")
class TakesACredentialForTheKey(Mutant):
    def key_from_url(self, url: str) -> str:
        credential = urlsplit(url).username
        return credential or super().key_from_url(url)


@caught_by("test_hostile_url_is_refused")
class UnquotesUrls(Mutant):
    def key_from_url(self, url: str) -> str:
        return super().key_from_url(unquote(url))


@caught_by("test_hostile_url_is_refused")
class LeavesOutThePort(Mutant):
    """Another server of the same host."""

    def key_from_url(self, url: str) -> str:
        return super().key_from_url(re.sub(r"^([a-z]*://[^/:]*):[0-9]+/", r"\1/", url))
