"""Law 11, the right blame: the error tree is what its docstring draws, and every class says what it must."""

from __future__ import annotations

import errno
import inspect
import re

import pytest

from imgstore import errors
from imgstore.errors import Blame, ImgstoreError

LINE = re.compile(r"^    (?P<depth>[│├└─ ]*)(?P<name>[A-Z]\w+)(?:\s+(?P<status>\d{3})\b)?")


def drawn() -> dict[str, tuple[str | None, int | None]]:
    """Name -> parent and status, as the docstring's tree says."""
    tree: dict[str, tuple[str | None, int | None]] = {}
    path: list[str] = []
    for line in inspect.getdoc(errors).splitlines() if inspect.getdoc(errors) else []:  # type: ignore[union-attr]  # checked
        found = LINE.match(line)
        if found is None:
            continue
        depth = len(found["depth"]) // 4
        path = [*path[:depth], found["name"]]
        tree[found["name"]] = (path[-2] if depth else None, int(found["status"]) if found["status"] else None)
    return tree


def classes() -> dict[str, type[ImgstoreError]]:
    found = inspect.getmembers(errors, inspect.isclass)
    return {name: kind for name, kind in found if issubclass(kind, ImgstoreError)}


def test_docstring_draws_every_class_and_no_other() -> None:
    assert set(drawn()) == set(classes())
    assert len(drawn()) > 25


@pytest.mark.parametrize("name", sorted(classes()))
def test_class_has_the_parent_and_the_status_that_are_drawn(name: str) -> None:
    parent, status = drawn()[name]
    kind = classes()[name]
    if parent is not None:
        assert kind.__mro__[1].__name__ == parent
    if status is not None:
        assert kind.status == status


RETRYABLE = {
    "BodyBroken", "BodyStalled", "StoreUnavailable", "ObjectChanged", "ObjectTruncated", "IntegrityError",
    "CatalogUnavailable", "WrongPlace",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(classes()))
def test_blame_and_retry_are_told(name: str) -> None:
    kind = classes()[name]
    blame = Blame.HOST
    if issubclass(kind, errors.RequestError):
        blame = Blame.CLIENT
    elif issubclass(kind, errors.StoreError):
        blame = Blame.STORE
    elif issubclass(kind, errors.ConfigurationError):
        blame = Blame.CONFIGURATION
    assert kind.blame is blame
    assert kind.retryable == (name in RETRYABLE)
    assert 400 <= kind.status < 600
    assert kind.status != 500 or blame in (Blame.HOST, Blame.CONFIGURATION)


def test_codes_are_unique_but_for_the_general_request_error() -> None:
    codes = [kind.code for name, kind in classes().items() if name != "InvalidRequest"]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", [errors.StoreUnavailable, errors.CatalogUnavailable, errors.IntegrityError])
def test_what_is_down_says_when_to_come_back(kind: type[errors.StoreUnavailable]) -> None:
    assert kind("x").status == 503
    assert (kind("x").retry_after or 0) > 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_storage_is_413(number: int) -> None:
    error = errors.from_os_error(OSError(number, "x", "/secret/path"), "writing")
    assert (type(error), error.status) == (errors.StoreFull, 413)
    assert errno.errorcode[number] in error.message
    assert "/secret/path" not in error.message
    assert "/secret/path" in str(error.detail)


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOENT, errno.ECONNREFUSED, errno.EPERM, 99999]
)
def test_other_failure_of_the_system_is_503(number: int) -> None:
    error = errors.from_os_error(OSError(number, "x", "/secret/path"), "writing")
    assert (type(error), error.status, error.retryable) == (errors.StoreUnavailable, 503, True)
    assert "/secret/path" not in error.message


def test_os_error_without_number_is_503() -> None:
    error = errors.from_os_error(TimeoutError(), "reading")
    assert "TimeoutError" in error.message
    assert error.status == 503


def test_store_is_named_once_it_is_known() -> None:
    error = errors.StoreFull("No room.")
    assert str(error) == "No room."
    error.store = "fast"
    assert str(error) == "Store 'fast': No room."


def test_configuration_error_is_one_line_that_names_section_option_and_cure() -> None:
    error = errors.ConfigurationError("is not\n  writable.", section="", option="datadir", cure="Create it.")
    assert str(error.in_section("fast")) == "[fast] datadir: is not writable. Create it."
    assert error.in_section("fast").in_section("slow").section == "fast"
    assert str(errors.ConfigurationError("x", section="s")) == "[s]: x"


def test_errors_carry_what_headers_need() -> None:
    assert errors.Unauthenticated("x").challenge == "Keystone"
    assert errors.RangeNotSatisfiable("x", size=7).size == 7
