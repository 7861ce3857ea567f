"""The tags and properties of images as rows, since no database finds an image in a column of JSON by an index.

A word is a number: a digest of a tag, or of a property with its value, of whatever length. Two texts may have the same
one, so who finds an image by a word compares the text, too. A word's rows are in the order of the images' age, so that
the newest images with a tag are found at once, also where a million have it. Deleted images have no words.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from imgstore.sql.schema import WORDS


def of_tag(tag: str) -> int:
    """The word of a tag."""
    return _word("tag", tag)


def of_property(name: str, value: str) -> int:
    """The word of a property with this value."""
    return _word("property", name, value)


def of_image(tags: Iterable[str], properties: Mapping[str, str]) -> set[int]:
    """The words of an image."""
    return {*map(of_tag, tags), *(of_property(*each) for each in properties.items())}


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
