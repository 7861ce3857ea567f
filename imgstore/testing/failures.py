"""The right blame and no secrets: a storage that cannot be reached, and every text a driver makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.capabilities import ClearsLeftovers, FindsLeftovers, ListsObjects, MeasuresSpace
from imgstore.testing.bench import KEY, KEYS, Bench, body, texts
from imgstore.testing.telling import Laws


def upload(driver: StoreDriver) -> None:
    """Any of its steps may be the one that meets the storage."""
    with driver.open_writer(KEY) as writer:
        writer.write(body(1000))
        writer.commit()


def read_whole(driver: StoreDriver) -> None:
    """The storage may be met at the first byte only."""
    with driver.open_reader(KEY) as reader:
        reader.read()


def read_nothing(driver: StoreDriver) -> None:
    """An empty range needs the object, too."""
    driver.open_reader(KEY, start=0, stop=0).close()


ACTIONS: dict[str, Callable[[StoreDriver], object]] = {
    "upload": upload,
    "read": read_whole,
    "read nothing": read_nothing,
    "stat": lambda driver: driver.stat(KEY),
    "delete": lambda driver: driver.delete(KEY),
}


def optional_actions(driver: StoreDriver) -> list[Callable[[], object]]:
    """What this driver can do besides."""
    actions: list[Callable[[], object]] = []
    if isinstance(driver, MeasuresSpace):
        actions.append(driver.space)
    if isinstance(driver, ListsObjects):
        actions.append(partial(_exhaust, driver.objects))
    if isinstance(driver, ClearsLeftovers):
        actions.append(partial(driver.clear_leftovers, KEY))
    if isinstance(driver, FindsLeftovers):
        actions.append(partial(_exhaust, driver.leftovers))
    return actions


def _exhaust(listing: Callable[[], Iterator[object]]) -> None:
    for _ in listing():
        pass


class FailureLaws(Laws):
    """Every failure is one of the library's errors, and says what may be said."""

    READ = "Errors"

    @pytest.mark.parametrize("action", ACTIONS)
    def test_unreachable_storage_is_unavailable(self, bench: Bench, action: str) -> None:
        with pytest.raises(errors.ImgstoreError) as caught:
            ACTIONS[action](bench.broken())
        error = caught.value
        assert isinstance(error, errors.StoreUnavailable), f"{type(error).__name__} where the storage is not reached"
        assert (error.blame, error.status, error.retryable) == (errors.Blame.STORE, 503, True)
        bench.assert_discreet(error)

    def test_check_finds_that_the_storage_is_unreachable(self, bench: Bench) -> None:
        with bench.refuses(errors.StoreUnavailable, errors.ConfigurationError):
            bench.broken().check()

    def test_unreachable_storage_is_unavailable_to_what_is_optional(self, bench: Bench) -> None:
        for action in optional_actions(bench.broken()):
            with bench.refuses(errors.StoreUnavailable):
                action()

    def test_refusals_are_blamed_on_the_right_side(self, bench: Bench) -> None:
        bench.put(body(13))
        refusals: list[tuple[Callable[[], object], type[errors.ImgstoreError], errors.Blame, int]] = [
            (lambda: bench.driver.stat(KEYS[0]), errors.ObjectNotFound, errors.Blame.STORE, 404),
            (lambda: upload(bench.driver), errors.ObjectExists, errors.Blame.STORE, 409),
            (lambda: bench.driver.open_reader(KEY, start=99), errors.RangeNotSatisfiable, errors.Blame.CLIENT, 416),
            (lambda: bench.driver.open_reader(KEY, etag="x"), errors.ObjectChanged, errors.Blame.STORE, 503),
        ]
        for action, kind, blame, status in refusals:
            with pytest.raises(errors.ImgstoreError) as caught:
                action()
            assert (type(caught.value), caught.value.blame, caught.value.status) == (kind, blame, status)
            bench.assert_discreet(caught.value)

    def test_no_secret_in_the_text_of_an_object(self, bench: Bench) -> None:
        bench.put(body(13))
        with bench.driver.open_writer(KEYS[0]) as writer, bench.driver.open_reader(KEY) as reader:
            things = (bench.driver, bench.broken(), writer, reader, reader.info, bench.driver.stat(KEY))
            bench.assert_no_secret(text for thing in things for text in (repr(thing), str(thing)))

    def test_no_secret_in_a_url(self, bench: Bench) -> None:
        bench.assert_no_secret([bench.driver.url(KEY), bench.broken().url(KEY)])

    def test_no_secret_in_an_error(self, bench: Bench) -> None:
        bench.put(body(13))
        actions: list[Callable[[StoreDriver], object]] = [
            lambda driver: driver.check(),
            lambda driver: driver.stat("no"),
        ]
        for action in [*actions, *ACTIONS.values()]:
            for driver in (bench.broken(), bench.driver):
                try:
                    action(driver)
                except errors.ImgstoreError as error:
                    bench.assert_no_secret(texts(error))
        bench.committed = {key: bench.committed[key] for key in bench.visible(bench.other)}

    def test_nothing_internal_in_a_message(self, bench: Bench) -> None:
        bench.put(body(13))
        with bench.refuses(errors.ObjectExists):
            upload(bench.driver)
        with bench.refuses(errors.ObjectNotFound):
            bench.driver.stat(KEYS[0])
        for action in ACTIONS.values():
            with bench.refuses(errors.StoreUnavailable):
                action(bench.broken())

    def test_no_secret_in_the_log(self, bench: Bench) -> None:
        bench.put(body(13))
        with bench.driver.open_writer(KEYS[0]) as writer:
            writer.write(body(13))
        for action in ACTIONS.values():
            with bench.refuses(errors.StoreUnavailable):
                action(bench.broken())
        bench.assert_holds(body(13))
        bench.assert_no_secret(bench.log.lines)
