"""SEMANTICS, 'Errors' bodies': by Accept, without a path or a traceback, with the request's identifier."""

from __future__ import annotations

import json

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
    tenant.assert_no_trace(image_id)
    return answer.headers["content-type"], answer.body.decode()


def test_the_body_is_what_accept_asks_for(tenant: Tenant) -> None:
    media_type, body = refused(tenant, "application/json")
    assert media_type == "application/json"
    assert json.loads(body) == {"code": "unknown-store", "title": "Bad Request", "message": MESSAGE}
    for accept in ("text/plain", "*/*", "image/png", None):
        assert refused(tenant, accept) == ("text/plain; charset=utf-8", f"400 Bad Request\n\n{MESSAGE}\n")
    for accept in ("text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"):
        media_type, body = refused(tenant, accept)
        assert media_type == "text/html; charset=utf-8"
        assert ("&lt;b&gt;nope&lt;/b&gt;" in body, "<b>" in body) == (True, False)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(ZeroDivisionError("/srv/secret"), 500, "internal-error"), (OSError("/srv/secret"), 503, "catalog-unavailable")],
)
def test_no_secrets_of_a_defect_or_a_catalog_that_fails(
    tenant: Tenant, house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*args: object, **kwargs: object) -> object:
        raise error

    image_id = tenant.active(b"data")
    name = "imgstore.http.data.ranges.entity_tag" if status == 500 else "imgstore.sql.SqlCatalog.find"
    monkeypatch.setattr(name, fail)
    answer = tenant.get(image_id)
    assert (answer.status, answer.json["code"], answer.headers.get("retry-after")) == (
        status, code, "10" if status == 503 else None,
    )  # fmt: skip
    assert ("secret" in answer.message, "Zero" in answer.message) == (False, False)
    assert answer.headers["x-openstack-request-id"].startswith("req-")
