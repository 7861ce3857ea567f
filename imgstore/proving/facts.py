"""Facts that are neither right nor wrong, and laws of what only some drivers can do."""

from __future__ import annotations

import time

from imgstore import errors
from imgstore.driver.capabilities import CopiesObjects, HasPlace, MeasuresSpace
from imgstore.driver.place import is_mark
from imgstore.proving.ground import Broken, Ground, NotApplicable, body
from imgstore.proving.laws import SMALL, refused

LONGEST_KEY = 200
A_DAY = 86_400.0


def takes_long_keys(ground: Ground) -> str:
    """The longest key that there is, and every character that a key may have."""
    for each in (ground.new_key(".Az09_-."), ground.new_key(length=LONGEST_KEY)):
        ground.put(body(SMALL), each)
        ground.expect_same(each, body(SMALL))
        if ground.driver.key_from_url(ground.driver.url(each)) != each:
            raise Broken("the URL of an object leads to another one")
    return f"up to {LONGEST_KEY} characters, and their URLs lead back"


def copies(ground: Ground) -> str:
    """Of several parts; it never replaces an object."""
    if not isinstance(ground.driver, CopiesObjects):
        raise NotApplicable("the driver makes no copies inside the store")
    driver, source, target = ground.driver, ground.new_key(), ground.new_key()
    ground.put(ground.large(), source)
    driver.copy(source, target)
    refused(errors.ObjectExists, lambda: driver.copy(source, target), "a copy replaced an object")
    driver.delete(source)
    ground.expect_same(target, ground.large())
    return "independent of their source, and never over an object"


def tells_space(ground: Ground) -> str:
    """The quota or the disk, as the server tells it."""
    if not isinstance(ground.driver, MeasuresSpace):
        raise NotApplicable("the driver measures no space")
    space = ground.driver.space()
    if space.free is None and space.total is None:
        return "no: neither free nor total bytes"
    known = {"free": space.free, "in all": space.total}
    return ", ".join(f"{number} bytes {name}" for name, number in known.items() if number is not None)


def tells_time(ground: Ground) -> str:
    """How far the storage's clock is from this one: ages of leftovers rest on it."""
    key = ground.new_key()
    before = time.time()
    ground.put(body(SMALL), key)
    modified = ground.driver.stat(key).modified
    if modified is None:
        raise NotApplicable("the driver does not tell when an object was written")
    offset = modified - (before + time.time()) / 2
    if abs(offset) > A_DAY:
        raise Broken(f"{offset:+.0f} s: not seconds since the epoch")
    return f"{offset:+.1f} s"


def keeps_its_mark(ground: Ground) -> str:
    """By which an unmounted disk, or another bucket, is told."""
    if not isinstance(ground.driver, HasPlace) or not ground.driver.place.markable:
        raise NotApplicable("the store has no place that could be marked")
    mark = ground.driver.read_mark()
    if mark is None:
        raise NotApplicable("the place has no mark yet: imgstore check --create")
    if not is_mark(mark):
        raise Broken("its mark is not one")
    return "the place has its mark"


def largest(ground: Ground) -> str:
    """Of this proof."""
    return f"{ground.largest_written} bytes"
