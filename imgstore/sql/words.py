"""The tags and properties of images as rows, since no database finds an image in a column of JSON by an index.

A word is a number: a digest of a tag, or of a property with its value, of whatever length. Two texts may have the same
one, so who finds an image by a word compares the text, too. A word's rows are in the order of the images' age, so that
the newest images with a tag are found at once, also where a million have it. For that, an image has each word several
times: for all images, for those of its owner, and, if it is public or a community's, for those. Deleted images have no
words.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import sqlalchemy as sa

from imgstore.sql.schema import WORDS

Scope: TypeAlias = tuple[str, str]
"""Of which images: a column and its value; `EVERYWHERE` for all."""
EVERYWHERE = ("", "")
PUBLIC = ("public", "community")
"""The visibilities by which images of others are found."""


def of_tag(tag: str, scope: Scope = EVERYWHERE) -> int:
    """The word of a tag."""
    return _word(*scope, "tag", tag)


def of_property(name: str, value: str, scope: Scope = EVERYWHERE) -> int:
    """The word of a property with this value."""
    return _word(*scope, "property", name, value)


def of_image(owner: str, visibility: str, tags: Iterable[str], properties: Mapping[str, str]) -> set[int]:
    """The words of an image."""
    scopes = [EVERYWHERE, ("owner", owner), *([("visibility", visibility)] if visibility in PUBLIC else [])]
    tagged = {of_tag(tag, scope) for scope in scopes for tag in tags}
    return tagged | {of_property(*each, scope) for scope in scopes for each in properties.items()}


def add(connection: sa.Connection, image_id: str, created_at: datetime.datetime, words: Iterable[int]) -> None:
    """Gives an image words that it does not have."""
    rows = [{"word": word, "created_at": created_at, "image_id": image_id} for word in sorted(words)]
    if rows:
        connection.execute(sa.insert(WORDS), rows)


def remove(connection: sa.Connection, image_id: str, words: Iterable[int]) -> None:
    """Takes words from an image."""
    gone = sorted(words)
    if gone:
        connection.execute(sa.delete(WORDS).where(WORDS.c.image_id == image_id, WORDS.c.word.in_(gone)))


def _word(*texts: str) -> int:
    """A number of 64 bits, with a sign. No text of an image has the character between the parts."""
    digest = hashlib.blake2b("\0".join(texts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
