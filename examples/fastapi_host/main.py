"""Routes and dependencies: uvicorn --workers 2 fastapi_host.main:app

Once, `python -m fastapi_host.main` makes the tables and the places of the stores. A mounted application knows no
`Depends`; a route whose answer is that application does.
"""

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request, Response
from starlette.types import Receive, Scope, Send

from fastapi_host import storage
from fastapi_host.models import Base, Image, Session, engine
from imgstore import errors
from imgstore.http import error_response

TOKENS = {"open sesame": "ann", "swordfish": "bob"}


def user_of(request: Request, x_auth_token: Annotated[str, Header()] = "") -> str:
    if x_auth_token not in TOKENS:
        raise errors.Unauthenticated("Send a token as X-Auth-Token.")
    request.state.user = TOKENS[x_auth_token]
    return TOKENS[x_auth_token]


User = Annotated[str, Depends(user_of)]


class ImageFile(Response):
    """imgstore's ASGI application as the answer of a route: it reads the body, and sends status and headers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await storage.app(scope, receive, send)


@contextlib.asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    storage.stores.check()
    storage.keeper.start()
    yield
    await storage.app.settle()
    storage.keeper.stop()


app = FastAPI(lifespan=life)


@app.exception_handler(errors.ImgstoreError)
async def refuse(request: Request, error: errors.ImgstoreError) -> Response:
    answer = error_response(error, {"accept": request.headers.get("accept", "*/*")})
    return Response(b"".join(answer.body), answer.status, dict(answer.headers))


@app.post("/v2/images", status_code=201)
def create(user: User) -> dict[str, str]:
    with Session.begin() as session:
        session.add(Image(id=(image_id := str(uuid.uuid4())), owner=user))
    return {"id": image_id, "status": "queued"}


@app.delete("/v2/images/{image_id}", status_code=204)
def delete(image_id: str, user: User) -> None:
    storage.images.delete(image_id, user)
    storage.keeper.remove(image_id)


@app.api_route("/v2/images/{image_id}/file", methods=["GET", "HEAD", "PUT"])
def file(image_id: str, user: User) -> Response:
    return ImageFile()


if __name__ == "__main__":
    Base.metadata.create_all(engine)
    storage.stores.check(create=True)
