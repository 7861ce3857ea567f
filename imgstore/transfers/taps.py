"""Taps: whatever looks at the stream as it passes - inspection, a signature verifier, progress - through one protocol.

A tap sees every byte once, in order, before the store does, on the thread that owns the session. It may refuse the
image by raising ContentRefused from `write` or `finish`; then nothing is left. It changes nothing in the stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from imgstore import errors
from imgstore.host_answers import kind_of, name_of, require_callable, require_plain
from imgstore.model import Attempt


class Tap(Protocol):
    """One stream's observer."""

    def write(self, chunk: bytes | memoryview) -> None:
        """The next bytes, never empty. A memoryview is not to be kept. Raises ContentRefused."""

    def finish(self) -> Mapping[str, str | int]:
        """After the last byte and before commit: what was found, for `UploadResult.findings`. The key `virtual_size`
        (bytes) becomes the image's virtual size. Raises ContentRefused."""

    def close(self) -> None:
        """Called exactly once, however the session ends."""


class TapFactory(Protocol):
    """Makes the tap of one session, or None where there is nothing to look at."""

    def __call__(self, attempt: Attempt, *, size: int | None) -> Tap | None:
        """`size` is the declared size in bytes, None if unknown."""


def checked_factories(factories: Sequence[TapFactory]) -> tuple[TapFactory, ...]:
    """The factories that a host gives. Raises UsageError for one that cannot be called as such."""
    for factory in factories:
        if not callable(factory):
            raise errors.UsageError(f"{kind_of(factory)} is no TapFactory: it cannot be called.")
        name = f"the factory of taps {name_of(factory)}"
        require_plain(factory, name=name)
        require_callable(factory, TapFactory.__call__, name=name)
    return tuple(factories)


@runtime_checkable
class SignatureVerifier(TapFactory, Protocol):
    """A TapFactory that says whether its taps refuse an image that its signature (`img_signature*`) does not fit. The
    host has the properties: the tap asks for them by `attempt.image_id`."""

    verifies_signatures: bool


def verify_signatures(factories: Sequence[TapFactory]) -> bool:
    """Whether one of them verifies signatures."""
    # Not by isinstance: since Python 3.12 it does not see what a host's wrapper answers by `__getattr__`.
    return any(getattr(factory, "verifies_signatures", False) for factory in factories)
