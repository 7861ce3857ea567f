"""The OpenAPI 3.1 document that the service serves at `/openapi.json`: every path, parameter, body and status.

`python -m imgstore.service.api.openapi` writes the copy in `doc/openapi.json`. Tests compare the service's answers with
it: a status that is not in it is a defect of the service or of the document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from imgstore.service.api import list_query, patch
from imgstore.service.api.attributes import LARGEST_MINIMUM, VISIBILITIES
from imgstore.service.api.openapi_schemas import Schema, ref, schemas
from imgstore.service.api.schemas import UUID
from imgstore.sql import SORT_KEYS

Operation = dict[str, Any]

JSON = "application/json"
OCTETS = "application/octet-stream"
# As RFC 9110 and the answers have them. Python has these names from 3.13 on, and older ones before.
RENAMED = {413: "Content Too Large", 416: "Range Not Satisfiable"}
EVERYWHERE = (400, 401, 403, 503)
IMAGE_ID = {"type": "string", "pattern": UUID, "maxLength": 36}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imgstore",
            "version": "2.15",
            "description": "The Image API v2 of the reference service: images, their data, stores.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {**_about_images(), **_about_data(), **_about_service(), **_about_operation()},
        "components": {"schemas": schemas()},
    }


def text() -> str:
    """The document as it is written to a file."""
    return json.dumps(document(), indent=1, sort_keys=True) + "\n"


def _about_images() -> dict[str, Any]:
    image = [_path_parameter("image_id", IMAGE_ID)]
    tag = _path_parameter("tag", {"type": "string", "minLength": 1, "maxLength": 255})
    return {
        "/v2/images": {
            "get": _operation("listImages", "List images", {200: ref("Images")}, parameters=_list_parameters()),
            "post": _operation(
                "createImage", "Create an image", {201: ref("Image")}, refusals=(409, 413),
                body={JSON: ref("NewImage")}, links=True,
            ),
        },
        "/v2/images/{image_id}": {
            "parameters": image,
            "get": _operation("showImage", "Show an image", {200: ref("Image")}, refusals=(404,)),
            "patch": _operation(
                "updateImage", "Change an image", {200: ref("Image")}, refusals=(404, 409, 413, 415),
                body={patch.V21: ref("Patch"), patch.V20: ref("OldPatch")},
            ),
            "delete": _operation("deleteImage", "Delete an image and its data", {204: None}, refusals=(404,)),
        },
        "/v2/images/{image_id}/tags/{tag}": {
            "parameters": [*image, tag],
            "put": _operation("addTag", "Add a tag", {204: None}, refusals=(404, 413)),
            "delete": _operation("removeTag", "Remove a tag", {204: None}, refusals=(404,)),
        },
        **{
            f"/v2/images/{{image_id}}/actions/{action}": {
                "parameters": image,
                "post": _operation(f"{action}Image", f"{action.capitalize()} an image", {204: None}, refusals=(404,)),
            }
            for action in ("deactivate", "reactivate")
        },
        "/v2/images/{image_id}/members": {
            "parameters": image,
            "get": _operation("listMembers", "List members of an image", {200: ref("Members")}, refusals=(404,)),
            "post": _operation(
                "addMember", "Share an image with a project", {200: ref("Member")}, refusals=(404, 409, 413),
                body={JSON: ref("NewMember")},
            ),
        },
        "/v2/images/{image_id}/members/{member}": {
            "parameters": [*image, _path_parameter("member", {"type": "string", "minLength": 1, "maxLength": 255})],
            "get": _operation("showMember", "Show a member", {200: ref("Member")}, refusals=(404,)),
            "put": _operation(
                "answerMember", "Accept or reject a shared image", {200: ref("Member")}, refusals=(404, 413),
                body={JSON: ref("MemberStatus")},
            ),
            "delete": _operation("removeMember", "Share an image no more", {204: None}, refusals=(404,)),
        },
        "/v2/images/{image_id}/import": {
            "parameters": image,
            "post": _operation(
                "importImage", "Copy an image's data to other stores; 202: the copy goes on by itself", {202: None},
                refusals=(404, 409, 410, 413), parameters=[_store_header("Store to copy to, if the body names none")],
                body={JSON: ref("Import")},
            ),
        },
        "/v2/stores/{store}/{image_id}": {
            "parameters": [_path_parameter("store", {"type": "string", "minLength": 1}), *image],
            "delete": _operation(
                "deleteImageFromStore", "Delete an image's data in one store", {204: None}, refusals=(404, 409)
            ),
        },
    }  # fmt: skip


def _about_data() -> dict[str, Any]:
    octets = {"type": "string", "format": "binary"}
    size = _header("x-openstack-image-size", {"type": "integer", "minimum": 0}, "Bytes that the image must have")
    store = _store_header("Store that takes the data; where several may, their identifiers between commas")
    md5 = _header("Content-MD5", {"type": "string", "pattern": _MD5}, "The md5 that the data must have")
    digest = _header("Repr-Digest", {"type": "string", "pattern": _DIGEST}, "The digests that the data must have")
    prefer = _query("prefer", {"type": "string"}, "Stores to read from first, separated by commas")
    span = {"type": "string", "pattern": "^bytes=([0-9]{1,9}-([0-9]{1,9})?|-[0-9]{1,9})$"}
    parts = _header("Range", span, "One range of bytes")
    read = (404, 410, 412, 416)
    return {
        "/v2/images/{image_id}/file": {
            "parameters": [_path_parameter("image_id", IMAGE_ID)],
            "put": _operation(
                "uploadImage", "Upload an image's data", {204: None}, refusals=(404, 408, 409, 410, 411, 413, 415),
                body={OCTETS: octets}, parameters=[size, store, md5, digest],
            ),
            "get": _operation(
                "downloadImage", "Download an image's data; 204: there is none yet",
                {200: octets, 204: None, 206: octets, 304: None}, refusals=read, parameters=[prefer, parts],
                media_type=OCTETS,
            ),
            "head": _operation(
                "examineImage", "The headers of a download", {200: None, 204: None, 304: None}, refusals=read,
                parameters=[prefer],
            ),
        }
    }  # fmt: skip


def _about_service() -> dict[str, Any]:
    told = {
        "/versions": ("listVersions", "Versions of the API", {200: ref("Versions")}),
        "/": ("chooseVersion", "Versions of the API", {300: ref("Versions")}),
        "/v2": ("chooseMinorVersion", "Versions of the API", {300: ref("Versions")}),
        "/v2/info/stores": ("listStores", "Stores", {200: ref("Stores")}),
        "/v2/info/stores/detail": ("listStoresDetail", "Stores with their details", {200: ref("StoresDetail")}),
        "/v2/info/import": ("showImportInfo", "Ways to import", {200: ref("ImportInfo")}),
        "/v2/info/usage": ("showUsage", "Quota and usage of the caller's project", {200: ref("Usage")}),
        "/v2/schemas/image": ("showImageSchema", "JSON schema of an image", {200: ref("JsonSchema")}),
        "/v2/schemas/images": ("showImagesSchema", "JSON schema of a list", {200: ref("JsonSchema")}),
        "/v2/schemas/member": ("showMemberSchema", "JSON schema of a member", {200: ref("JsonSchema")}),
        "/v2/schemas/members": ("showMembersSchema", "JSON schema of a list of members", {200: ref("JsonSchema")}),
        "/status": ("showStatus", "What is under way; for admins", {200: {"type": "object"}}),
        "/openapi.json": ("showDescription", "This document", {200: {"type": "object"}}),
    }
    return {path: {"get": _operation(*words)} for path, words in told.items()}


def _about_operation() -> dict[str, Any]:
    """The probes. HEAD is answered as GET without a body."""
    plain = {200: {"type": "string"}}
    told = {
        "/healthcheck": ("showHealth", "Whether the process answers", plain, "text/plain"),
        "/healthcheck/ready": (
            "showReadiness", "Whether it can take an upload; 503: catalog, ledger or the default store are down",
            {200: ref("Readiness"), 503: ref("Readiness")}, JSON,
        ),
        "/healthcheck/stores": (
            "showStoresHealth", "Whether the stores work; 503: the default one does not",
            {200: ref("Health"), 503: ref("Health")}, JSON,
        ),
        "/metrics": ("showMetrics", "Figures for Prometheus", plain, "text/plain"),
    }  # fmt: skip
    return {path: {method: _unasked(method, *words) for method in ("get", "head")} for path, words in told.items()}


def _unasked(method: str, name: str, summary: str, answers: Mapping[int, Schema], media_type: str) -> Operation:
    """An operation that needs no token."""
    bodies = {status: None if method == "head" else schema for status, schema in answers.items()}
    responses = {str(status): _answer(status, schema, media_type) for status, schema in bodies.items()}
    operation_id = name if method == "get" else f"{name}Headers"
    return {"operationId": operation_id, "summary": summary, "responses": responses}


def _list_parameters() -> list[Schema]:
    text = {"type": "string"}
    number = {"type": "integer", "minimum": 0, "maximum": list_query.LARGEST_NUMBER}
    minimum = {**number, "maximum": LARGEST_MINIMUM}
    flag = {"type": "string", "enum": ["true", "false"]}
    key, direction = {"type": "string", "enum": [*SORT_KEYS]}, {"type": "string", "enum": ["asc", "desc"]}
    return [
        _query("limit", number, f"Images a page; at most {list_query.LARGEST_LIMIT}"),
        _query("marker", IMAGE_ID, "The last image of the page before"),
        *(_query(name, text, "A value, or in: and values between commas") for name in list_query.LISTS),
        *(_query(name, text, "A value") for name in list_query.TEXTS),
        *(
            _query(f"{name}{end}", minimum if name in list_query.MINIMA else number, "A number")
            for name in list_query.NUMBERS
            for end in ("", "_min", "_max")
        ),
        *(_query(name, _time(), "A time, or an operator, a colon and a time") for name in list_query.TIMES),
        _query("visibility", {"type": "string", "enum": [*VISIBILITIES, "all"]}, "Whose images"),
        _query(
            "member_status", {"type": "string", "enum": [*list_query.LISTED_STATUSES]}, "Of images that others share"
        ),
        _query("protected", flag, "Only protected images, or only others"),
        _query("os_hidden", flag, "Hidden images instead of the others"),
        _query("tag", {"type": "array", "items": text, "maxItems": 10}, "Tags that images must have"),
        _query("sort", text, "key:direction, separated by commas"),
        _query("sort_key", {"type": "array", "items": key, "uniqueItems": True}, "Keys to sort by"),
        _query("sort_dir", {"type": "array", "items": direction, "maxItems": 1}, "asc or desc"),
    ]


def _time() -> Schema:
    return {
        "type": "string",
        "pattern": "^((gt|gte|lt|lte|eq|neq):)?2[0-9]{3}-0[1-9]-1[0-9]T1[0-9]:[0-5][0-9]:[0-5][0-9]Z$",
    }


def _operation(
    name: str, summary: str, answers: Mapping[int, Schema | None], *, refusals: Sequence[int] = (),
    parameters: Sequence[Schema] = (), body: Mapping[str, Schema] | None = None, media_type: str = JSON,
    links: bool = False,
) -> Operation:  # fmt: skip
    operation: Operation = {
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters, _header("X-Project-Id", _PROJECT, "The caller's project, without Keystone")],
        "responses": {
            **{str(status): _answer(status, schema, media_type) for status, schema in answers.items()},
            **{str(status): _refusal(status) for status in sorted({*EVERYWHERE, *refusals})},
        },
    }
    if body is not None:
        content = {kind: {"schema": schema} for kind, schema in body.items()}
        operation["requestBody"] = {"required": True, "content": content}
    if links:
        operation["responses"]["201"]["links"] = _links()
    return operation


def _store_header(description: str) -> Schema:
    return _header("X-Image-Meta-Store", {"type": "string", "minLength": 1}, description)


_PROJECT = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}


_MD5 = "^([0-9a-f]{32}|[A-Za-z0-9+/]{22}==)$"
_DIGEST = "^sha-256=:[A-Za-z0-9+/]{43}=:$"


def _links() -> dict[str, Any]:
    """The operations on a new image."""
    names = ("showImage", "updateImage", "uploadImage", "downloadImage", "importImage", "deactivateImage",
             "reactivateImage", "addMember", "listMembers", "addTag", "removeTag", "deleteImage")  # fmt: skip
    return {name: {"operationId": name, "parameters": {"image_id": "$response.body#/id"}} for name in names}


def _answer(status: int, schema: Schema | None, media_type: str) -> Schema:
    answer: Schema = {"description": _phrase(status)}
    return answer if schema is None else {**answer, "content": {media_type: {"schema": schema}}}


def _refusal(status: int) -> Schema:
    text = {"schema": {"type": "string"}}
    content = {JSON: {"schema": ref("Error")}, "text/plain": text, "text/html": text}
    return {"description": _phrase(status), "content": content}


def _phrase(status: int) -> str:
    return RENAMED.get(status, HTTPStatus(status).phrase)


def _path_parameter(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "schema": schema, "description": description}


if __name__ == "__main__":
    sys.stdout.write(text())
