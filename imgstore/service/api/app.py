"""The JSON half of the Image API v2 on Falcon: which resource answers where. Image data does not pass here.

The library's errors are answered in the same form as for image data; any other exception goes on to the middleware.
"""

from __future__ import annotations

from typing import Any, NoReturn

import falcon

from imgstore import errors
from imgstore.adapters.wsgi import request_headers
from imgstore.http import MethodNotAllowed, NoSuchPath, error_response
from imgstore.service.api import openapi, schemas
from imgstore.service.api.copies import Copies
from imgstore.service.api.image_resources import ImageAction, ImageList, ImageTag, OneImage
from imgstore.service.api.images import Images
from imgstore.service.api.import_resource import ImageImport
from imgstore.service.api.info_resources import ImageInStore, ImportInfo, Stores, StoresDetail, Usage
from imgstore.service.api.member_resources import MemberList, OneMember
from imgstore.service.api.paths import OTHER_VERSIONS, ImageId, Paths
from imgstore.sql import OutcomeUnknown

VERSIONS = ("2.15", "2.13", "2.11", "2.10", "2.9", "2.8", "2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1", "2.0")
"""The minor versions whose additions are here, newest first; `/v2/info/import` tells which import methods (2.6, 2.10,
2.11) there are. Tasks (2.12), caching (2.14, 2.16, 2.18) and locations (2.17) are not here."""


class Versions:
    """`/`, `/v2` and unknown versions: 300, several choices; `/versions`: 200. The same list."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, **parameters: Any) -> None:
        link = {"rel": "self", "href": f"{req.prefix}/v2/"}
        resp.status = falcon.HTTP_200 if req.path == "/versions" else falcon.HTTP_300
        resp.media = {
            "versions": [
                {"id": f"v{version}", "status": "CURRENT" if version == VERSIONS[0] else "SUPPORTED", "links": [link]}
                for version in VERSIONS
            ]
        }


class OpenApiDocument:
    """`/openapi.json`."""

    def __init__(self) -> None:
        self._document = openapi.document()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = self._document


def json_api(images: Images, copies: Copies) -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application."""
    app = falcon.App(middleware=[Paths()])
    app.req_options.strip_url_path_trailing_slash = True
    app.router_options.converters["image_id"] = ImageId
    for path, resource in resources(images, copies).items():
        app.add_route(path.replace("{image_id}", "{image_id:image_id}"), resource)
    app.add_sink(Versions().on_get, OTHER_VERSIONS)
    app.add_error_handler(Exception, _pass_through)
    app.add_error_handler(falcon.HTTPError, _answer_falcon_error)
    app.add_error_handler(errors.ImgstoreError, _answer_error)
    app.add_error_handler(OutcomeUnknown, _answer_outcome_unknown)
    return app


def resources(images: Images, copies: Copies) -> dict[str, object]:
    """The resources by path; `openapi` describes each."""
    return {
        "/": Versions(),
        "/v2": Versions(),
        "/versions": Versions(),
        "/openapi.json": OpenApiDocument(),
        "/v2/images": ImageList(images),
        "/v2/images/{image_id}": OneImage(images),
        "/v2/images/{image_id}/tags/{tag}": ImageTag(images),
        "/v2/images/{image_id}/members": MemberList(images),
        "/v2/images/{image_id}/members/{member}": OneMember(images),
        "/v2/images/{image_id}/import": ImageImport(images, copies),
        "/v2/images/{image_id}/actions/deactivate": ImageAction(images, active=False),
        "/v2/images/{image_id}/actions/reactivate": ImageAction(images, active=True),
        "/v2/stores/{store}/{image_id}": ImageInStore(images),
        "/v2/info/stores": Stores(images),
        "/v2/info/stores/detail": StoresDetail(images),
        "/v2/info/import": ImportInfo(),
        "/v2/info/usage": Usage(images),
        "/v2/schemas/image": schemas.Schema(schemas.image_schema()),
        "/v2/schemas/images": schemas.Schema(schemas.images_schema()),
        "/v2/schemas/member": schemas.Schema(schemas.member_schema()),
        "/v2/schemas/members": schemas.Schema(schemas.members_schema()),
    }


def _answer_error(req: falcon.Request, resp: falcon.Response, error: errors.ImgstoreError, params: object) -> None:
    answer = error_response(error, request_headers(req.env))
    resp.status = f"{answer.status} {answer.reason}"
    resp.set_headers(list(answer.headers))
    resp.data = b"".join(answer.body)


def _answer_outcome_unknown(req: falcon.Request, resp: falcon.Response, error: OutcomeUnknown, params: object) -> None:
    """A failed COMMIT, mostly on a full disk: the catalog's failure. The client looks and tries again."""
    message = "The catalog failed at the end of the change: look whether it was made, and try again."
    _answer_error(req, resp, errors.CatalogUnavailable(message, detail=str(error)), params)


def _answer_falcon_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: object) -> None:
    """Falcon's own refusals: no such path, no such method, a request that it cannot parse."""
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        allowed = [name.strip() for name in dict(error.headers or ()).get("Allow", "").split(",")]
        ours: errors.RequestError = MethodNotAllowed("This path does not take that method.", allowed=allowed)
    elif error.status_code == 404:
        ours = NoSuchPath("There is nothing under this path.")
    else:
        ours = errors.InvalidRequest(error.description or "The request cannot be understood.")
    _answer_error(req, resp, ours, params)


def _pass_through(req: falcon.Request, resp: falcon.Response, error: Exception, params: object) -> NoReturn:
    raise error
