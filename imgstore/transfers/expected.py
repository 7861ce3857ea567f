"""The digests that bytes must have: those that a client means, or those that the catalog knows of a copied image.

They are compared before commit (law "accounted for"). An algorithm is called as in hashlib, a digest is in hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imgstore import errors
from imgstore.transfers.digests import new_hash, supported

_HEX = frozenset("0123456789abcdef")


def problem_of(algorithm: str, digest: str) -> str | None:
    """Why `digest`, in lower case, cannot be of this algorithm; None: it can."""
    if not supported(algorithm):
        return f"there is no digest algorithm {_shown(algorithm)}."
    if len(digest) != len(new_hash(algorithm).hexdigest()) or not _HEX.issuperset(digest):
        return f"{_shown(digest)} cannot be a {algorithm} in hex."
    return None


@dataclass(frozen=True, slots=True)
class Expected:
    """`digests` by algorithm, in lower case. `named_by_client`: a difference is the client's fault, else the store's
    that the bytes came from."""

    digests: Mapping[str, str] = field(default_factory=dict)
    named_by_client: bool = False

    @classmethod
    def by_client(cls, digests: Mapping[str, str]) -> Expected:
        """What a client means. Raises InvalidRequest for what no digest can be."""
        wanted = {algorithm.lower(): digest.lower() for algorithm, digest in digests.items()}
        for algorithm, digest in wanted.items():
            if problem := problem_of(algorithm, digest):
                raise errors.InvalidRequest(f"The expected digest is malformed: {problem}")
        return cls(wanted, named_by_client=True)

    def compare(self, found: Mapping[str, str]) -> None:
        """Raises DigestMismatch (the client's digests) or IntegrityError unless `found` has the same."""
        for algorithm, digest in self.digests.items():
            if found[algorithm] != digest:
                raise self._difference(algorithm, found[algorithm])

    def _difference(self, algorithm: str, found: str) -> errors.ImgstoreError:
        if not self.named_by_client:
            return errors.IntegrityError(f"The bytes that came do not have the image's {algorithm}.")
        expected = self.digests[algorithm]
        return errors.DigestMismatch(f"The bytes that came have the {algorithm} {found}, expected was {expected}.")


NOTHING_EXPECTED = Expected()


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")
