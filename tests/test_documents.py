"""The documents are true: the map of the house has the floors of the layer rule, the embedding guide's host works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.test_layers import FLOORS

DOC = Path(__file__).parent.parent / "doc"
IMAGE = "7f0f4b5e-1d0c-4e0e-9e5e-2f3a4b5c6d7e"
USE = f"""
from host import get, image_data, put
from host_catalog import Catalog

catalog = Catalog("images.db")
data = image_data("imgstore.conf", catalog)
with catalog.table() as table:
    row = "(id, owner, disk_format, container_format) VALUES ('{IMAGE}', 'p', 'raw', 'bare')"
    table.execute(f"INSERT INTO images {{row}}")
headers = {{"content-type": "application/octet-stream", "transfer-encoding": "chunked"}}
print(put(data, "{IMAGE}", headers, [b"x" * 11], "p").status, put(data, "{IMAGE}", headers, [b"x"], "q").status)
print(put(data, "{IMAGE}", headers, [b"hello"], "p").status, put(data, "{IMAGE}", headers, [b"hello"], "p").status)
answer = get(data, "{IMAGE}", {{"range": "bytes=1-2"}}, "p")
print(answer.status, b"".join(answer.body))
answer.close()

from host_copies import copy, copy_service
from imgstore import UploadRequest, UploadService, config
from imgstore.catalog import MemoryCatalog
from imgstore.quota import MemoryQuota

stores, catalog, quota = config.build_stores(config.load(["imgstore.conf"])), MemoryCatalog(), MemoryQuota(lambda _: 10)
catalog.create("image", owner="p")
with UploadService(stores, catalog=catalog, quota=quota).begin(UploadRequest("image", ["a"])) as session:
    session.write(b"hello")
    session.finish()
copy(copy_service(stores, catalog, quota), "image", ["b"], "p").join()
print([location.store for location in catalog.find("image").locations], quota.account("p").used)

from host_quota import shared_quota
from imgstore.errors import QuotaExceeded
from imgstore.sql import LedgerAccount

ledger = shared_quota("sqlite:///quota.db", 7)
catalog.create("other", owner="q")
catalog.create("third", owner="q")
uploads = UploadService(stores, catalog=catalog, quota=ledger)
with uploads.begin(UploadRequest("other", ["a"])) as session:
    session.write(b"hello")
    session.finish()
try:
    uploads.begin(UploadRequest("third", ["a"], size=3))
except QuotaExceeded:
    print(ledger.accounts()[LedgerAccount("q", "")].used)
ledger.close()
"""


def test_the_map_of_the_house_has_the_floors_of_the_layer_rule() -> None:
    rows = re.findall(r"^\| \d+ \| ([^|]*`[^|]*) \|", (DOC / "design.md").read_text(), re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", modules)) for modules in rows] == list(FLOORS)


def test_the_host_of_the_embedding_guide_works_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```python\n# (\S+)\n(.*?)^```$", (DOC / "embedding.md").read_text(), re.MULTILINE | re.DOTALL
    )
    for name, text in [*blocks, ("use.py", USE)]:
        (tmp_path / name).write_text(text)
    stores = "[imgstore]\nenabled_stores = a:filesystem, b:filesystem\ndefault_store = a\nproject_quota = 10\n"
    (tmp_path / "imgstore.conf").write_text(stores + "".join(f"[{s}]\ndatadir = {tmp_path}/{s}\n" for s in "ab"))
    command, environment = [sys.executable, "-W", "error", "use.py"], os.environ | {"PYTHONPATH": str(DOC.parent)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout == "413 404\n204 409\n206 b'el'\n['a', 'b'] 10\n5\n", run.stderr


def test_the_host_of_the_embedding_guide_satisfies_the_protocols(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```python\n# (\S+)\n(.*?)^```$", (DOC / "embedding.md").read_text(), re.MULTILINE | re.DOTALL
    )
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(tmp_path / "cache"),
        "host.py",
        "host_copies.py",
        "host_quota.py",
    ]
    environment = os.environ | {"MYPYPATH": str(DOC.parent)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
