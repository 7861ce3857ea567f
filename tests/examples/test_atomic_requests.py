"""The Django example under ATOMIC_REQUESTS: an upload that a rollback could take back is refused before its body."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.examples.hosts import EXAMPLES

REQUESTS = """
import io, json, os, socket, sqlite3
import django
from django.conf import settings

settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True
settings.ALLOWED_HOSTS = ["*"]
django.setup()

from django.core.management import call_command
from django.db.transaction import non_atomic_requests
from django.test import Client
from django_host import storage, views
from django_host.models import Table

call_command("migrate", run_syncdb=True, verbosity=0)
storage.stores.check(create=True)


class Body(io.BytesIO):
    def read(self, *size):
        reads.append(size)
        return super().read(*size)


def ask(method):
    mine = {"gunicorn.socket": socket.socket(), "wsgi.input": Body(b"data")}
    if method == "PUT":
        mine |= {"CONTENT_LENGTH": "4", "CONTENT_TYPE": "application/octet-stream"}
    path = f"/v2/images/{image_id}" + ("" if method == "DELETE" else "/file")
    answer = client.generic(method, path, **mine)
    return answer.status_code, b"".join(answer) if method == "GET" else None


def swap(self, row, values, original=Table.swap):
    done = original(self, row, values)
    with sqlite3.connect(settings.DATABASES["default"]["NAME"]) as another:
        committed.extend(another.execute("SELECT status, version FROM django_host_image").fetchone())
    return done


reads, committed = [], []
Table.swap = swap
client = Client(headers={"X-Auth-Token": "swordfish"}, raise_request_exception=False)
image_id = client.post("/v2/images").json()["id"]
told = [ask("PUT")[0], reads[:], committed[:], storage.quota.account("bob").taken, ask("GET")[0]]
for pattern in views.urlpatterns[1:]:
    non_atomic_requests(pattern.callback)
told += [ask("PUT")[0], committed[:], storage.quota.account("bob").used, ask("GET")[1] == b"data"]
told += [ask("DELETE")[0], committed[4:6], storage.quota.account("bob").used]
storage.keeper.stop()
print(json.dumps(told))
"""


def test_upload_in_a_transaction_of_its_request_is_refused_and_commits_at_once_elsewhere(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(EXAMPLES), str(EXAMPLES.parent)])
    own = {"IMAGES_DIR": str(tmp_path), "PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "django_host.settings"}
    done = subprocess.run(
        [sys.executable, "-c", REQUESTS], env=os.environ | own, capture_output=True, text=True, timeout=60, check=False
    )
    refused = "[503, [], [], 0, 204, "
    stored = '204, ["saving", 1, "active", 2], 4, true, '
    deleted = '204, ["deleted", 3], 0]'
    assert done.stdout.strip() == refused + stored + deleted, done.stderr
