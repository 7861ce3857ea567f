"""The answer to a request that failed: its body by Accept, its headers by the error, and nothing that is a secret."""

from __future__ import annotations

import inspect
import json
import logging

import pytest

from imgstore import errors
from imgstore.http import LengthRequired, MethodNotAllowed, NoSuchPath, Response, error_response

TEXT, JSON, HTML = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"


def body(response: Response) -> str:
    return b"".join(response.body).decode()


def header(response: Response, name: str) -> str | None:
    return dict(response.headers).get(name)


ACCEPT: dict[str, tuple[str | None, ...]] = {
    TEXT: (
        None, "", "*/*", "text/plain", "text/*", "text/plain, application/json", "application/json;q=0, */*",
        "application/octet-stream", "*/*;q=0", "application/json;q=0", ",;,=;q", "\x00\xff",
    ),
    JSON: (
        "application/json", "Application/JSON", "application/json;charset=utf-8", "application/*",
        "application/json, */*", "*/*, application/json", "application/json, text/plain, */*",
        "text/html;q=0.5, application/json;q=0.7", "application/json;q=0.2, */*;q=0.1", "text/plain;q=0, */*",
        "application/json ; q=0.9 , text/html ; Q=0.8", "application/json;q=x, text/html",
    ),
    HTML: (
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html",
        "text/plain;q=0, application/json;q=0, */*;q=0.1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("media_type", ACCEPT)
def test_body_is_what_accept_prefers(media_type: str) -> None:
    for accept in ACCEPT[media_type]:
        response = error_response(errors.InvalidRequest("No."), {} if accept is None else {"accept": accept})
        assert header(response, "Content-Type") == media_type, accept
        assert header(response, "Content-Length") == str(len(body(response).encode()))


def test_text_is_the_status_line_and_the_message_in_utf_8() -> None:
    response = error_response(errors.Forbidden("Not \u20ac."), {})
    assert body(response) == "403 Forbidden\n\nNot \u20ac.\n"
    assert header(response, "Content-Length") == str(len(body(response)) + 2)


def test_json_and_html_escape_the_message() -> None:
    error = errors.ImageTooLarge("<script>&\"'\u00e9")
    told = json.loads(body(error_response(error, {"accept": "application/json"})))
    assert told == {"code": "image-too-large", "title": "Content Too Large", "message": str(error)}
    page = body(error_response(error, {"accept": "text/html"}))
    assert "<h1>413 Content Too Large</h1>" in page
    assert "<p>&lt;script&gt;&amp;&quot;&#x27;\u00e9</p>" in page
    assert "<script>" not in page


def _all_errors() -> list[errors.ImgstoreError]:
    made: list[errors.ImgstoreError] = [
        kind("What was wrong.", detail="/srv/secret")
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ImgstoreError) and kind is not errors.ConfigurationError
    ]
    configuration = errors.ConfigurationError("secret", section="s")
    return [*made, configuration, MethodNotAllowed("No.", allowed=["GET"]), LengthRequired("No."), NoSuchPath("No.")]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html"])
def test_no_secrets_every_error_is_an_answer_without_its_detail(accept: str, subtests: pytest.Subtests) -> None:
    for error in _all_errors():
        with subtests.test(type(error).__name__):
            response = error_response(error, {"accept": accept})
            assert (response.status, response.reason) == (error.status, error.title)
            assert 400 <= response.status <= 599
            assert error.title in body(response)
            assert "secret" not in body(response)
            assert (str(error) in body(response)) is (error.status != 500)


def test_detail_of_a_storage_failure_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="imgstore"):
        error_response(errors.DataGone("Lost.", detail="the key"), {})
        error_response(errors.CatalogUnavailable("Down.", detail="the host"), {})
        error_response(errors.ImageNotFound("No such image."), {})
    assert [record.getMessage() for record in caplog.records] == [
        "Answered 410: Lost. (the key)",
        "Answered 503: Down. (the host)",
    ]


KEYSTONE = 'Keystone uri="http://k"'
HEADERS: list[tuple[errors.ImgstoreError, str, str | None]] = [
    (errors.StoreUnavailable("Down."), "Retry-After", "10"),
    (errors.StoreUnavailable("Down.", retry_after=0), "Retry-After", "0"),
    (errors.StoreUnavailable("Down.", retry_after=None), "Retry-After", None),
    (errors.CatalogUnavailable("Down."), "Retry-After", "10"),
    (errors.StoreFull("Full."), "Retry-After", None),
    (errors.Unauthenticated("Who?"), "WWW-Authenticate", "Keystone"),
    (errors.Unauthenticated("Who?", challenge=KEYSTONE), "WWW-Authenticate", KEYSTONE),
    (errors.Forbidden("No."), "WWW-Authenticate", None),
    (errors.RangeNotSatisfiable("No.", size=7), "Content-Range", "bytes */7"),
    (errors.RangeNotSatisfiable("No.", size=0), "Content-Range", "bytes */0"),
    (errors.RangeNotSatisfiable("No."), "Content-Range", None),
    (MethodNotAllowed("No.", allowed=("GET", "PUT")), "Allow", "GET, PUT"),
    (errors.InvalidRequest("No."), "Allow", None),
]


def test_headers_that_an_error_brings() -> None:
    for error, name, value in HEADERS:
        assert header(error_response(error, {}), name) == value, (error, name)


def test_connection_ends_where_a_body_may_be_unread() -> None:
    length, chunked = "content-length", {"transfer-encoding": "chunked"}
    closing = ({length: "1"}, {length: "x"}, chunked)
    for headers in ({}, {length: "0"}, *closing):
        assert error_response(errors.InvalidRequest("No."), headers).closing is (headers in closing)


def test_store_is_named_in_the_message() -> None:
    error = errors.StoreFull("Image storage media is full.")
    error.store = "fast"
    assert body(error_response(error, {})).endswith("\n\nStore 'fast': Image storage media is full.\n")
