"""An image service on Flask: a catalog and tokens of its own; imgstore's WSGI application serves the images' data.

    python examples/flask_host.py imgstore.conf PORT

The server is the reference service's cheroot: it streams request bodies, asks for them (100 Continue) only when the
application reads, and raises when one ends short. Each upload occupies one of its threads.
"""

import sys
import uuid
from typing import Any

from flask import Flask, Response, request
from toy_catalog import Image, ToyCatalog

from imgstore import DownloadService, UploadService, config, errors
from imgstore.adapters.wsgi import ImageDataApp
from imgstore.http import ImageData, error_response
from imgstore.model import StoredImage
from imgstore.service.server.server import Server
from imgstore.service.server.shutdown import serve

TOKENS = {"open sesame": "ann", "swordfish": "bob"}


def user_of(environ: dict[str, Any]) -> str:
    if (user := TOKENS.get(environ.get("HTTP_X_AUTH_TOKEN", ""))) is None:
        raise errors.Unauthenticated("Send a token as X-Auth-Token.")
    return user


app, catalog = Flask(__name__), ToyCatalog()
conf = config.load(sys.argv[1:2])
stores = config.build_stores(conf)
uploads = UploadService(stores, catalog=catalog, settings=config.upload_settings(conf), taps=config.build_taps(conf))
data = ImageDataApp(ImageData(uploads, DownloadService(stores, source=catalog)), context=user_of)
app.add_url_rule("/v2/images/<image_id>/file", "file", lambda image_id: data, methods=["GET", "HEAD", "PUT"])


@app.post("/v2/images")
def create() -> tuple[dict[str, str], int]:
    image_id = str(uuid.uuid4())
    catalog.images[image_id] = Image(user_of(request.environ), StoredImage(image_id, "queued"))
    return {"id": image_id, "status": "queued"}, 201


@app.errorhandler(errors.ImgstoreError)
def refuse(error: errors.ImgstoreError) -> Response:
    answer = error_response(error, {"accept": request.headers.get("Accept", "*/*")})
    return Response(answer.body, answer.status, list(answer.headers))


if __name__ == "__main__":
    stores.check(create=True)  # this catalog begins empty each time; others: `imgstore check --create`, once
    server = Server(("127.0.0.1", int(sys.argv[2])), app, threads=16, read_timeout=60, grace=30)
    server.prepare()
    print("Listening on", server.url, flush=True)
    serve(server)
    stores.close()
