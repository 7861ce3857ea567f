"""Right blame: the error tree is what its docstring draws, and every class says what it must."""

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


def test_class_has_the_parent_and_the_status_that_are_drawn() -> None:
    for name, (parent, status) in drawn().items():
        kind = classes()[name]
        assert parent in (None, kind.__mro__[1].__name__), name
        assert status in (None, kind.status), name


RETRYABLE = {
    "BodyBroken", "BodyStalled", "StoreUnavailable", "ObjectChanged", "ObjectTruncated", "IntegrityError",
    "CatalogUnavailable", "WrongPlace", "StoreBusy",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(classes()))
def test_blame_and_retry_are_told(name: str) -> None:
    kind = classes()[name]
    blames = {
        errors.RequestError: Blame.CLIENT,
        errors.StoreError: Blame.STORE,
        errors.ConfigurationError: Blame.CONFIGURATION,
    }
    blame = next((blames[base] for base in blames if issubclass(kind, base)), Blame.HOST)
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


@pytest.mark.parametrize(
    ("kind", "status", "numbers"),
    [
        (errors.StoreFull, 413, [errno.ENOSPC, errno.EDQUOT, errno.EFBIG]),
        (
            errors.StoreUnavailable, 503,
            [errno.EACCES, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOENT, errno.ECONNREFUSED, errno.EPERM, 99999],
        ),
    ],
)  # fmt: skip
def test_failure_of_the_system_says_whether_the_store_is_full(
    kind: type[errors.StoreError], status: int, numbers: list[int]
) -> None:
    for number in numbers:
        error = errors.from_os_error(OSError(number, "x", "/secret/path"), "writing")
        assert (type(error), error.status, error.retryable) == (kind, status, status == 503), number
        assert errno.errorcode.get(number, "") in error.message
        assert "/secret/path" not in error.message
        assert "/secret/path" in str(error.detail)


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
