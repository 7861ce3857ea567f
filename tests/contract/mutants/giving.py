"""Drivers that give away too much, for too long, or something else."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from imgstore import errors
from imgstore.driver import check_key
from tests.contract.mutants.base import Mutant, caught_by


class _Gives(Mutant):
    """Makes URLs, and shares, as it should."""

    def temporary_url(self, key: str, *, seconds: int) -> str:
        if seconds < 1:
            raise errors.UsageError("A URL is good for a second or more.")
        return f"memory:///{check_key(key)}?of={key}&seconds={seconds}"

    def share(self, key: str, *, public: bool = False, readers: Sequence[str] = ()) -> None:
        self.stat(key)


@caught_by("test_temporary_url_gives_the_whole_object")
class UrlGivesTheFirstPart(_Gives):
    def temporary_url(self, key: str, *, seconds: int) -> str:
        return f"{super().temporary_url(key, seconds=seconds)}&most=65536"


@caught_by("test_temporary_url_gives_the_whole_object")
class UrlOfNoTimeIsMade(_Gives):
    def temporary_url(self, key: str, *, seconds: int) -> str:
        return super().temporary_url(key, seconds=max(seconds, 1))


@caught_by("test_temporary_url_gives_no_other_object_and_ends")
class UrlGivesEveryObject(_Gives):
    def temporary_url(self, key: str, *, seconds: int) -> str:
        return super().temporary_url(key, seconds=seconds).replace(f"of={key}&", "")


@caught_by("test_temporary_url_gives_no_other_object_and_ends")
class UrlIsForEver(_Gives):
    def temporary_url(self, key: str, *, seconds: int) -> str:
        return super().temporary_url(key, seconds=60 * seconds)


@caught_by("test_shared_object_is_the_same_object")
class SharesWhatIsNotThere(_Gives):
    def share(self, key: str, *, public: bool = False, readers: Sequence[str] = ()) -> None:
        with contextlib.suppress(errors.ObjectNotFound):
            super().share(key, public=public, readers=readers)


@caught_by("test_shared_object_is_the_same_object")
class SharesACopy(_Gives):
    def share(self, key: str, *, public: bool = False, readers: Sequence[str] = ()) -> None:
        super().share(key, public=public, readers=readers)
        self.storage.replace(key, self.storage.get(key).data)
