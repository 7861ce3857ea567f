"""SEMANTICS, 'Errors' bodies': by Accept, without a path or a traceback, with the request's identifier."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.semantics.house import OCTETS, House, Tenant, file_of

UNKNOWN = ("X-Image-Meta-Store", "<b>nope</b>")
MESSAGE = "Store for identifier '<b>nope</b>' not found."


def refused(tenant: Tenant, accept: str | None) -> tuple[str, str]:
    """Media type and body of a refusal."""
    image_id = tenant.create()
    with tenant.wire() as wire:
        headers = [OCTETS, UNKNOWN, ("Content-Length", "0"), ("X-Project-Id", tenant.project)]
        wire.head("PUT", file_of(image_id), headers + ([] if accept is None else [("Accept", accept)]))
        answer = wire.answer()
    assert answer.status == 400
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    tenant.assert_refused_without_trace(image_id)
    return answer.headers["content-type"], answer.body.decode()


def test_application_json(tenant: Tenant) -> None:
    media_type, body = refused(tenant, "application/json")
    assert media_type == "application/json"
    assert json.loads(body) == {"code": "unknown-store", "title": "Bad Request", "message": MESSAGE}


@pytest.mark.parametrize("accept", ["text/plain", "*/*", "image/png", None])
def test_text_is_status_line_blank_line_message(tenant: Tenant, accept: str | None) -> None:
    media_type, body = refused(tenant, accept)
    assert media_type == "text/plain; charset=utf-8"
    assert body == f"400 Bad Request\n\n{MESSAGE}\n"


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"])
def test_text_html_is_a_small_escaped_page(tenant: Tenant, accept: str) -> None:
    media_type, body = refused(tenant, accept)
    assert media_type == "text/html; charset=utf-8"
    assert "&lt;b&gt;nope&lt;/b&gt;" in body
    assert "<b>" not in body


def test_a_refused_head_has_no_body(tenant: Tenant) -> None:
    missing = str(uuid.uuid4())
    get, head = tenant.get(missing), tenant.get(missing, method="HEAD")
    assert (head.status, head.body) == (404, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_a_defect_of_the_service_is_500_without_a_word_about_it(
    tenant: Tenant, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*args: object, **kwargs: object) -> object:
        raise ZeroDivisionError("/srv/secret")

    image_id = tenant.create()
    monkeypatch.setattr("imgstore.http.data.ranges.entity_tag", defect)
    assert tenant.put(image_id, b"data").status == 204
    answer = tenant.get(image_id)
    assert (answer.status, answer.json["code"]) == (500, "internal-error")
    assert "secret" not in answer.message
    assert "Zero" not in answer.message
    assert answer.headers["x-openstack-request-id"].startswith("req-")


def test_a_catalog_that_fails_is_503_without_a_word_about_it(
    tenant: Tenant, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: object, **kwargs: object) -> object:
        raise ConnectionRefusedError("postgres://user:secret@host/")

    image_id = tenant.create()
    monkeypatch.setattr(house.service.catalog, "find", gone)
    answer = tenant.get(image_id)
    assert (answer.status, answer.json["code"]) == (503, "catalog-unavailable")
    assert answer.headers["retry-after"] == "10"
    assert "secret" not in answer.message
