"""Run by the Python of moto's own environment: serves moto on a free port of 127.0.0.1, within so many bytes of memory.

The port is the only line printed. It ends when its standard input does, and removes the directory of its files. Uploads
are listed with the times at which they were begun, by which drivers tell theirs: moto says 2010 of each.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from typing import Any


def tell_when_uploads_were_begun() -> None:
    """Makes moto note it."""
    from moto.s3 import models, responses  # type: ignore[import-not-found]  # it is in that environment only

    begun: dict[str, str] = {}
    begin, serialized = models.FakeMultipart.__init__, responses.S3Response.serialized

    def note(upload: Any, *arguments: Any, **named: Any) -> None:
        begin(upload, *arguments, **named)
        begun[upload.id] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())

    def tell(response: Any, answer: Any) -> Any:
        for upload in answer.result.get("Uploads", []) if isinstance(answer.result, dict) else []:
            upload["Initiated"] = begun[upload["UploadId"]]
        return serialized(response, answer)

    models.FakeMultipart.__init__, responses.S3Response.serialized = note, tell


def main(memory: str, root: str) -> None:
    """Serves until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    from moto.server import ThreadedMotoServer  # type: ignore[import-not-found]  # it is in that environment only

    tell_when_uploads_were_begun()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    sys.stdout.write(f"{server.get_host_and_port()[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()
    shutil.rmtree(root, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
