"""A filesystem that hangs costs a bound; what cannot work is refused at the start (laws "contained", "right blame")."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest

from imgstore import errors
from imgstore.drivers.fsspec import FsspecDriver
from tests.fsspec.objects import Objects
from tests.support.waiting import until

SECRET = "hunter2"


class Hanging(Objects):
    """One that is asked for "slow" hangs until it is closed."""

    protocol = "obs"
    made = 0
    closed: threading.Event

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        type(self).made += 1
        self.client = self

    def close(self) -> None:
        """As the connection's."""
        self.closed.set()

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        if path.endswith("/slow"):
            self.closed.wait()
            raise ConnectionError("closed")
        return super().info(path, **more)


@pytest.fixture
def driver() -> Iterator[FsspecDriver]:
    Hanging.made, Hanging.closed = 0, threading.Event()
    fsspec.register_implementation("obs", Hanging, clobber=True)
    driver = FsspecDriver(url="obs://bucket/images", patience=0.1)
    yield driver
    driver.close()


def test_contained_a_call_that_hangs_is_left_and_its_connection_closed(driver: FsspecDriver) -> None:
    with pytest.raises(errors.StoreUnavailable, match="did not answer in time"):
        driver.stat("slow")
    until(lambda: not [each for each in threading.enumerate() if each.name == "imgstore-fsspec"])
    for _ in range(2):
        with pytest.raises(errors.ObjectNotFound):
            driver.stat("other")
    assert Hanging.made == 2, "the one that hung is not used again, the other one is"


@pytest.mark.parametrize(
    ("options", "option", "problem"),
    [
        ({"url": f"sftp://user:{SECRET}@host/images"}, "url", "a password must not be in it"),
        ({"url": "simplecache::sftp://host/images"}, "url", "is not one that fsspec has"),
        ({"url": "/srv/images"}, "url", "is not one that fsspec has"),
        ({"url": "nothing://host/images"}, "url", "has no 'nothing'"),
        ({"url": "data://host/images"}, "url", "cannot rename a file of 'data'"),
        ({"url": "memory://images", "storage_options": f'["{SECRET}"]'}, "storage_options", "not an object of JSON"),
        ({"url": "memory://images", "storage_options": SECRET}, "storage_options", "not an object of JSON"),
    ],
)
def test_what_cannot_work_is_refused_with_its_option(options: dict[str, str], option: str, problem: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=problem) as caught:
        FsspecDriver(**options)
    assert caught.value.option == option
    assert SECRET not in str(caught.value)
