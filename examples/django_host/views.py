"""Middleware and views. Image data passes the middleware, and then goes straight from `wsgi.input` to the store."""

import uuid
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_http_methods as only

from django_host import storage
from django_host.models import Image
from imgstore import errors
from imgstore.http import error_response

TOKENS = {"open sesame": "ann", "swordfish": "bob"}


class Callers(MiddlewareMixin):  # type: ignore[misc]  # Django comes without types
    """Who calls; and the library's errors as answers."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        request.META["images.user"] = TOKENS.get(request.headers.get("X-Auth-Token"))
        refused = errors.Unauthenticated("Send a token as X-Auth-Token.")
        return None if request.META["images.user"] else self.process_exception(request, refused)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, errors.ImgstoreError):
            return None
        answer = error_response(error, {"accept": request.headers.get("Accept", "*/*")})
        return HttpResponse(b"".join(answer.body), status=answer.status, headers=dict(answer.headers))


def create(request: HttpRequest) -> HttpResponse:
    image = Image.objects.create(id=str(uuid.uuid4()), owner=request.META["images.user"])
    return JsonResponse({"id": image.id, "status": image.status}, status=201)


def delete(request: HttpRequest, image_id: str) -> HttpResponse:
    storage.images.delete(image_id, request.META["images.user"])
    storage.keeper.remove(image_id)
    return HttpResponse(status=204)


def file(request: HttpRequest, image_id: str) -> HttpResponse:
    """imgstore's WSGI app as a view. With ATOMIC_REQUESTS this and `delete` need `transaction.non_atomic_requests`."""
    request.META["gunicorn.socket"].settimeout(60)  # for one wait for the client; gunicorn itself has no limit
    head: list[Any] = []
    body = storage.app(request.META, cast(Any, lambda *status_and_headers: head.extend(status_and_headers)))
    return StreamingHttpResponse(body, status=int(head[0][:3]), headers=dict(head[1]))


urlpatterns = [path("v2/images", only(["POST"])(create)), path("v2/images/<image_id>", only(["DELETE"])(delete))]
urlpatterns += [path("v2/images/<image_id>/file", file)]
