"""An image service on Starlette with a quota for each project; imgstore's ASGI application serves the images' data.

    python examples/starlette_host.py imgstore.conf PORT

The server is uvicorn: it streams request bodies, asks for them (100 Continue) only when the application receives, and
reports clients that have left. At shutdown it may cancel uploads; `settle` waits until they are undone.
"""

import contextlib
import sys
import uuid
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from imgstore import DownloadService, UploadService, config
from imgstore.adapters.asgi import ImageDataApp, Scope
from imgstore.catalog import MemoryCatalog
from imgstore.http import ImageData
from imgstore.quota import MemoryQuota

conf = config.load(sys.argv[1:2])
stores, catalog = config.build_stores(conf), MemoryCatalog()
quota = MemoryQuota(lambda project: config.project_quota(conf))
uploads = UploadService(stores, catalog=catalog, quota=quota, settings=config.upload_settings(conf))


async def project_of(scope: Scope) -> str:  # a coroutine or a function; may raise imgstore.errors.Unauthenticated
    return Request(scope).headers.get("x-project-id", "nobody")


async def create(request: Request) -> Response:
    catalog.create(image_id := str(uuid.uuid4()), owner=await project_of(request.scope))
    return JSONResponse({"id": image_id, "status": "queued"}, 201)


@contextlib.asynccontextmanager
async def life(app: Starlette) -> AsyncIterator[None]:
    await run_in_threadpool(stores.check, create=True)  # only where the catalog begins empty, as this one
    yield
    await data.settle()
    stores.close()


data = ImageDataApp(ImageData(uploads, DownloadService(stores, source=catalog)), context=project_of)
routes = [Route("/v2/images", create, methods=["POST"]), Route("/v2/images/{image_id}/file", data)]
app = Starlette(routes=routes, lifespan=life)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), timeout_graceful_shutdown=30)
