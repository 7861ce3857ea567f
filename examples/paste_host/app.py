"""A filter and an application for PasteDeploy: gunicorn --workers 2 --threads 16 --paste paste_host/paste.ini

Once, `python -m paste_host.app` makes the tables and the places of the stores. Image data passes WebOb unread."""

import atexit
import uuid
from collections.abc import Callable
from typing import Any

from webob import Request, Response
from webob.dec import wsgify

from imgstore import errors
from imgstore.adapters.wsgi import image_id_of_path
from imgstore.http import NoSuchPath, error_response
from paste_host import storage
from paste_host.models import TABLE, database


def tokens(global_conf: object, **users: str) -> Callable[[Any], Any]:
    """A filter: who calls, and the library's errors as answers."""

    @wsgify.middleware
    def tell(request: Request, app: Any) -> Response:
        try:
            if (user := users.get(request.headers.get("X-Auth-Token", ""))) is None:
                raise errors.Unauthenticated("Send a token as X-Auth-Token.")
            request.environ["images.user"] = user
            return request.get_response(app)
        except errors.ImgstoreError as error:
            answer = error_response(error, {"accept": request.headers.get("Accept", "*/*")})
            return Response(b"".join(answer.body), answer.status, list(answer.headers))

    return tell


def images(global_conf: object) -> Any:
    storage.stores.check()
    storage.keeper.start()
    atexit.register(storage.keeper.stop)
    return answer


@wsgify
def answer(request: Request) -> Any:
    if image_id_of_path(request.environ) is not None:
        request.environ["gunicorn.socket"].settimeout(60)  # for one wait for the client; gunicorn itself has no limit
        return storage.app
    user, image_id = request.environ["images.user"], request.path_info.removeprefix("/v2/images/")
    if request.method == "DELETE":
        storage.images.delete(image_id, user)
        storage.keeper.remove(image_id)
        return Response(status=204)
    if (request.method, request.path_info) != ("POST", "/v2/images"):
        raise NoSuchPath("No resource exists at this path.")
    with database() as connection:
        connection.execute("INSERT INTO images (id, owner) VALUES (?, ?)", (new_id := str(uuid.uuid4()), user))
    return Response(json={"id": new_id, "status": "queued"}, status=201)


if __name__ == "__main__":
    with database() as connection:
        connection.execute(TABLE)
    storage.stores.check(create=True)
