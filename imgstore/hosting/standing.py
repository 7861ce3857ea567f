"""What an object is to the catalog, decided from the rows of the images: for `KeptCatalog.standings`.

No number of an attempt is used twice. So one that was given out, and is not under way, never gets a location any more.
If the attempt succeeded in another store, the object is a copy that somebody made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imgstore.model import Location, Removal, Standing, attempt_of


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the row of an image says. `attempts`: the last number that was given out; `uploading`: the number of the
    attempt under way, 0 or None for none; `locations`: where its data is."""

    attempts: int
    uploading: int | None = None
    locations: Sequence[Location] = ()


def standings(
    store: str, keys: Iterable[str], images: Mapping[str, ImageFacts], removals: Iterable[Removal]
) -> Mapping[str, Standing]:
    """The standing of each key in a store. `images`: by identifier, those of the keys (`imgstore.model.attempt_of`)."""
    removing = {removal.key for removal in removals if removal.store == store}
    return {key: _standing(store, key, images, removing=key in removing) for key in keys}


def _standing(store: str, key: str, images: Mapping[str, ImageFacts], *, removing: bool) -> Standing:
    image_id, number = attempt_of(key)
    facts = images.get(image_id)
    stores = [location.store for location in facts.locations if location.key == key] if facts else []
    if store in stores:
        return Standing.LIVE
    if removing:
        return Standing.REMOVING
    if facts is None or number > facts.attempts or stores:
        return Standing.UNKNOWN
    return Standing.UNDER_WAY if facts.uploading == number else Standing.DEAD
